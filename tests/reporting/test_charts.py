"""Oracle: the artists of the drawn figure hold the numbers that were given."""

import math

import numpy as np
import pytest

from linearityiqa.reporting import (
    COLUMN_WIDTH,
    BarPanel,
    BarSeries,
    Cloud,
    Line,
    Panel,
    bar_chart,
    convergence,
    figure_bytes,
    line_grid,
    scatter_grid,
)


def overlapping_texts(figure):
    """Pairs of texts of a figure that cover each other when it is drawn."""
    figure.canvas.draw()
    texts = [text for ax in figure.axes for text in [*ax.texts, ax.title, ax.xaxis.label, ax.yaxis.label]]
    for axis, (low, high) in [
        pair for ax in figure.axes for pair in ((ax.xaxis, ax.get_xlim()), (ax.yaxis, ax.get_ylim()))
    ]:
        texts += [tick.label1 for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high]
    texts += [text for legend in figure.legends for text in legend.get_texts()]
    boxes = [(text.get_text(), text.get_window_extent()) for text in texts if text.get_text() and text.get_visible()]
    return [
        (first, second)
        for number, (first, box) in enumerate(boxes)
        for second, other in boxes[number + 1 :]
        if box.overlaps(other) and box.padded(-1).overlaps(other.padded(-1))
    ]


def test_curves_hold_the_values_and_leave_gaps_at_nan():
    figure = convergence({"mae": {"SROCC": [0.1, math.nan, 0.6]}, "mse": {"SROCC": [0.2]}}, metrics=("SROCC",))
    mae, mse = figure.axes[0].lines
    np.testing.assert_array_equal(mae.get_xdata(), [1, 2, 3])
    np.testing.assert_array_equal(mae.get_ydata(), [0.1, math.nan, 0.6])
    np.testing.assert_array_equal(mse.get_ydata(), [0.2])


def test_one_panel_a_metric_and_one_legend():
    runs = {name: {metric: [0.5, 0.6] for metric in ("SROCC", "PLCC", "RMSE")} for name in ("a", "b", "c")}
    figure = convergence(runs, title="Validation")
    assert [ax.get_ylabel() for ax in figure.axes] == ["SROCC", "PLCC", "RMSE"]
    assert [ax.get_title() for ax in figure.axes] == ["", "Validation", ""]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["a", "b", "c"]


def test_a_run_without_a_metric_keeps_its_colour_elsewhere():
    figure = convergence({"a": {"PLCC": [1.0]}, "b": {"SROCC": [1.0], "PLCC": [1.0]}}, metrics=("SROCC", "PLCC"))
    assert figure.axes[0].lines[0].get_color() == figure.axes[1].lines[1].get_color()


def test_marks_level_end_and_note_are_drawn():
    panel = Panel(
        "mae",
        "PLCC",
        [Line("1e-3", [1, 2, 3], [0.1, 0.6, 0.7], mark=(2, 0.6)), Line("1e-4", [1, 2], [0.2, 0.3], ended=True)],
        level=0.55,
        note="1e-4 diverged",
    )
    ax = line_grid([[panel]]).axes[0]
    points = [(line.get_marker(), *line.get_xydata()[0]) for line in ax.lines if line.get_linestyle() == "None"]
    assert points == [("*", 2, 0.6), ("X", 2, 0.3)]
    assert any(np.all(np.asarray(line.get_ydata()) == 0.55) for line in ax.lines)
    assert ax.get_legend().get_title().get_text() == "1e-4 diverged"


def test_empty_curves_are_drawn_as_nothing():
    figure = line_grid([[Panel("", "PLCC", [Line("a", [], [], ended=True), Line("b", [1, 2], [math.nan, math.nan])])]])
    assert figure_bytes(figure, dpi=50)


@pytest.mark.parametrize("values", [np.linspace(0, 1, 30), np.linspace(1, 0, 30)])
def test_the_note_stands_where_the_curves_are_not(values):
    """Oracle: the pixels of the drawn curve."""
    figure = line_grid([[Panel("", "", [Line("a", range(30), values)], note="note")]])
    figure.canvas.draw()
    (ax,) = figure.axes
    box, curve = ax.get_legend().get_window_extent(), ax.lines[0]
    assert not any(box.contains(*point) for point in ax.transData.transform(curve.get_xydata()))


def test_bars_have_the_values_as_height_and_text():
    series = [BarSeries("mae", [0.88, math.nan], [0.87, 0.9]), BarSeries("mse", [-0.05, 0.9])]
    ax = bar_chart([BarPanel("", "PLCC", ["a", "b"], series)]).axes[0]
    heights = [bar.get_height() for bar in ax.patches]
    np.testing.assert_array_equal(heights, [0.88, math.nan, -0.05, 0.9])
    assert [text.get_text() for text in ax.texts] == [".880", "none", "-.050", ".900"]
    low, high = ax.get_ylim()
    assert low < -0.05 < 0.9 < high


def test_values_of_ten_and_more_are_written_whole():
    series = [BarSeries("a", [10.5, 100.0, 0.5, -10.25, 1.0])]
    ax = bar_chart([BarPanel("", "RMSE", list("vwxyz"), series)]).axes[0]
    assert [text.get_text() for text in ax.texts] == ["10.500", "100.000", ".500", "-10.250", "1.000"]


def test_a_group_without_any_value_says_so_once():
    series = [BarSeries(name, [0.88, math.nan]) for name in ("mae", "mse", "norm-in-norm")]
    ax = bar_chart([BarPanel("", "PLCC", ["a", "b"], series)]).axes[0]
    assert [(text.get_text(), text.xy[0]) for text in ax.texts[3:]] == [("none", 1)]
    assert all(bar.get_height() > 0 for bar in ax.patches[::2])


def test_text_overlaps_nowhere():
    groups = ["resnet18", "resnet34", "resnet50", "resnext101"]
    series = [
        BarSeries(name, [0.8, 0.82, 0.84, 0.9], [0.8, 0.82, 0.84, 0.9]) for name in ("mae", "mse", "norm-in-norm")
    ]
    runs = {name: {m: np.linspace(0.1, 0.9, 30) for m in ("SROCC", "PLCC", "RMSE")} for name in ("one run", "another")}
    mos = np.linspace(1, 100, 50)
    clouds = [Cloud(name, mos, mos, {"SROCC": 0.9, "PLCC": 0.9}) for name in ("mae", "mse", "mse standard", "norm")]
    for figure in (
        bar_chart([BarPanel("KonIQ-10k", "PLCC", groups, series), BarPanel("CLIVE", "SROCC", groups, series)]),
        bar_chart([BarPanel("KonIQ-10k", "PLCC", groups, [*series, *series])]),
        convergence(runs),
        convergence(runs, width=COLUMN_WIDTH),
        scatter_grid([clouds]),
    ):
        assert overlapping_texts(figure) == []


@pytest.mark.parametrize("name", ["x_$y_$.csv", "Ba$$in.csv", "a$^$b"])
def test_no_name_is_a_formula(name):
    figures = [
        convergence({name: {"SROCC": [0.1, 0.5, 0.6]}}, metrics=("SROCC",), title=name),
        scatter_grid([[Cloud(name, [1, 2], [1, 2], {name: 0.5})]]),
        bar_chart([BarPanel(name, name, [name], [BarSeries(name, [0.5])])]),
        line_grid([[Panel(name, name, [Line(name, [1, 2], [1, 2])], note=name)]], x_label=name),
    ]
    for figure in figures:
        assert figure_bytes(figure, dpi=50)
        assert name.encode() in figure_bytes(figure, "svg")  # as a comment at the drawn text
