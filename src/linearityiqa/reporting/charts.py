"""Curves and bars in panels under one legend."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from linearityiqa.quality import PAPER_FIGURES
from linearityiqa.reporting.style import COLUMN_WIDTH, PAGE_WIDTH, add_legend, new_figure, series_style, styled

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MANY_POINTS = 200
"""From this length on a curve is drawn thin, without markers, and as pixels in a PDF."""
REFERENCES = "published"
"""Name of the diamonds in the legend of bars."""
WIDE_BARS = 12
"""Beyond this number of bars in a panel their values are written upright."""


@dataclass(frozen=True, eq=False)
class Line:
    """One curve of N points, which may be none; a value that is not finite leaves a gap."""

    label: str
    x: ArrayLike
    y: ArrayLike
    style: int | None = None
    """Number of its colour, dashes and marker; by default its place among the panel's lines."""
    mark: tuple[float, float] | None = None
    """A point to emphasise, (x, y)."""
    ended: bool = False
    """Whether it stops before its time: its last point gets a cross."""


@dataclass(frozen=True, eq=False)
class Panel:
    """One pair of axes with curves, at least one."""

    title: str
    y_label: str
    lines: Sequence[Line]
    level: float | None = None
    """Where a dashed horizontal line is drawn."""
    note: str = ""
    """A few words inside the panel, e.g. which run diverged."""


@styled
def line_grid(
    panels: Sequence[Sequence[Panel]],
    *,
    x_label: str = "Epoch",
    width: float = PAGE_WIDTH,
    panel_height: float = 1.65,
    share_y: bool = False,
) -> "Figure":
    """Draw rows of panels, top row first and of equal length, under one legend; sizes are in inches.

    With `share_y` the panels of a row have one vertical range, written at the left only.
    """
    figure = new_figure(width, panel_height * len(panels) + 0.35)
    axes = figure.subplots(len(panels), len(panels[0]), squeeze=False, sharex=True, sharey="row" if share_y else "none")
    handles: dict[str, Artist] = {}
    for row, row_axes in zip(panels, axes, strict=True):
        for column, (panel, ax) in enumerate(zip(row, row_axes, strict=True)):
            handles |= _draw_panel(panel, ax)
            if column == 0 or not share_y:
                ax.set_ylabel(panel.y_label)
    for ax in axes[-1]:
        ax.set_xlabel(x_label)
    for panel, ax in zip((panel for row in panels for panel in row), axes.flat, strict=True):
        if panel.note:  # a legend without entries is drawn where it hides least of the curves
            ax.legend([], title=panel.note, title_fontsize=6.5, loc="best", borderpad=0.1)
    figure.align_ylabels()
    add_legend(figure, handles)
    return figure


def convergence(
    runs: Mapping[str, Mapping[str, Sequence[float]]],
    *,
    metrics: Sequence[str] = PAPER_FIGURES,
    title: str = "",
    width: float = PAGE_WIDTH,
) -> "Figure":
    """Draw each metric by epoch (1, 2, ...), one panel a metric and one curve a run that has the metric.

    Args:
        runs: for each run's name, the values of each metric.
        metrics: which metrics, in the order of the panels.
        title: text above the middle panel, e.g. the split and the database.
        width: width of the figure in inches.
    """
    row = []
    for number, metric in enumerate(metrics):
        lines = [
            Line(name, range(1, len(values[metric]) + 1), values[metric], style)
            for style, (name, values) in enumerate(runs.items())
            if metric in values
        ]
        row.append(Panel(title if number == len(metrics) // 2 else "", metric, lines))
    if width <= COLUMN_WIDTH:
        return line_grid([[panel] for panel in row], width=width)
    return line_grid([row], width=width, panel_height=2.0)


def _draw_panel(panel: Panel, ax: "Axes") -> "dict[str, Artist]":
    """Draw one panel, and return the legend's handle of each label."""
    from matplotlib.ticker import MaxNLocator

    handles: dict[str, Artist] = {}
    for number, line in enumerate(panel.lines):
        handles[line.label] = _draw_line(line, number, ax)
    if panel.level is not None:
        ax.axhline(panel.level, color="#555555", linewidth=0.8, linestyle=(0, (4, 2)), zorder=1)
    ax.set_title(panel.title)
    ax.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True, steps=[1, 2, 5, 10], min_n_ticks=1))
    ax.yaxis.set_major_locator(MaxNLocator(nbins=5))
    return handles


def _draw_line(line: Line, number: int, ax: "Axes") -> "Artist":
    style = series_style(number if line.style is None else line.style)
    x, y = np.asarray(line.x, dtype=np.float64), np.asarray(line.y, dtype=np.float64)
    many = len(x) >= MANY_POINTS
    spacing = max(1, math.ceil(len(x) / 10))
    (handle,) = ax.plot(
        x,
        np.where(np.isfinite(y), y, np.nan),
        color=style.colour,
        linestyle=style.dashes if not many else "-",
        linewidth=0.5 if many else None,
        marker=None if many else style.marker,
        # each series has its markers at other steps, so that curves that meet do not hide each other
        markevery=(number % spacing, spacing),
        label=line.label,
        rasterized=many,
    )
    if line.mark is not None:
        ax.plot(*line.mark, marker="*", markersize=8, color=style.colour, markeredgecolor="black",
                markeredgewidth=0.5, linestyle="none", zorder=5)  # fmt: skip
    finite = np.flatnonzero(np.isfinite(y))
    if line.ended and len(finite):
        last = finite[-1]
        ax.plot(x[last], y[last], marker="X", markersize=7, color=style.colour, markeredgecolor="black",
                markeredgewidth=0.6, linestyle="none", zorder=5)  # fmt: skip
    return handle


@dataclass(frozen=True, eq=False)
class BarSeries:
    """Bars of one colour: a value for each group, NaN for none."""

    label: str
    values: Sequence[float]
    references: Sequence[float] = ()
    """Values to compare with, drawn as diamonds, one a group (NaN for none)."""
    style: int | None = None
    """Number of its colour and hatching; by default its place among the series."""


@dataclass(frozen=True, eq=False)
class BarPanel:
    """One pair of axes with grouped bars."""

    title: str
    y_label: str
    groups: Sequence[str]
    series: Sequence[BarSeries]


@styled
def bar_chart(panels: Sequence[BarPanel]) -> "Figure":
    """Draw panels of grouped bars side by side, each value written on its bar, under one legend.

    The vertical axis starts below the smallest value, not at 0, so that differences of correlations show; the values
    on the bars keep that honest.
    """
    figure = new_figure(PAGE_WIDTH, 2.5)
    axes = figure.subplots(1, len(panels), squeeze=False)[0]
    handles: dict[str, Artist] = {}
    for panel, ax in zip(panels, axes, strict=True):
        handles |= _draw_bars(panel, ax)
    if REFERENCES in handles:
        handles[REFERENCES] = handles.pop(REFERENCES)  # last in the legend
    add_legend(figure, handles)
    return figure


def _draw_bars(panel: BarPanel, ax: "Axes") -> "dict[str, Artist]":
    handles: dict[str, Artist] = {}
    low, high = _bar_range(panel)
    places = np.arange(len(panel.groups))
    thickness = 0.84 / max(1, len(panel.series))
    values = np.array([series.values for series in panel.series], dtype=np.float64)
    empty = np.asarray(~np.isfinite(values).any(axis=0))
    upright = values.size > WIDE_BARS
    for number, (series, heights) in enumerate(zip(panel.series, values, strict=True)):
        style = series_style(number if series.style is None else series.style)
        x = places + (number - (len(panel.series) - 1) / 2) * thickness
        # matplotlib hatches in the edge's colour; white keeps the bar's own colour readable
        drawn = ax.bar(
            x, heights, width=thickness * 0.94, color=style.colour, hatch=style.hatch, edgecolor="white", linewidth=0
        )
        handles[series.label] = drawn.patches[0]
        if len(series.references):
            (handles[REFERENCES],) = ax.plot(x, series.references, linestyle="none", marker="D", markersize=3.5,
                                            markerfacecolor="white", markeredgecolor="black")  # fmt: skip
        others = series.references or [math.nan] * len(x)
        for place, value, other, nothing in zip(x, heights, others, empty, strict=True):
            if np.isfinite(value):
                _write_value(ax, place, value, other, near=0.03 * (high - low), upright=upright)
            elif not nothing:
                _write_none(ax, place)
    for place in places[empty]:
        _write_none(ax, place)
    if low < 0:
        ax.axhline(0, color="black", linewidth=0.6)
    ax.set_xticks(places, panel.groups)
    ax.grid(False, axis="x")
    ax.set(title=panel.title, ylabel=panel.y_label, ylim=(low, high))
    return handles


def _write_value(ax: "Axes", place: float, value: float, reference: float, *, near: float, upright: bool) -> None:
    """Write a bar's value beyond the bar's end and its diamond; `near` is how close a diamond would touch it."""
    down = value < 0  # the end of the bar is below
    end = value if down or not value < reference else reference
    gap = 5 if not down and reference > value - near else 2
    text = f"{value:.3f}"
    if abs(value) < 1:
        text = text.replace("0.", ".", 1)
    ax.annotate(text, (place, end), (0, -gap if down else gap), textcoords="offset points", ha="center",
                va="top" if down else "bottom", fontsize=5.8, rotation=90 if upright else 0)  # fmt: skip


def _write_none(ax: "Axes", place: float) -> None:
    """Write "none" at the foot of a bar, or of a whole group, that has no value."""
    ax.annotate("none", (place, 0.0), (0, 2), ("data", "axes fraction"), "offset points", ha="center", va="bottom",
                fontsize=6, color="#555555")  # fmt: skip


def _bar_range(panel: BarPanel) -> tuple[float, float]:
    """Return a vertical range that shows the differences and leaves room for the numbers on the bars."""
    values = np.array(
        [value for series in panel.series for value in (*series.values, *series.references)], dtype=np.float64
    )
    values = values[np.isfinite(values)]
    if not len(values):
        return 0.0, 1.0
    low, high = float(values.min()), float(values.max())
    spread = max(high - low, 0.02)
    bottom = min(low - 0.35 * spread, 0.0) if low < 0 else max(0.0, low - 0.35 * spread)
    return bottom, high + 0.3 * (high - bottom)
