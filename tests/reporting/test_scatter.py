"""Oracles: numpy's own sums over the ranges, and what matplotlib says it has drawn."""

import math

import numpy as np
import pytest

from linearityiqa.reporting import Cloud, figure_bytes, scatter_grid
from linearityiqa.reporting.scatter import Method, binned_residuals, histogram_grid, mapping_grid, residual_grid


def method(name="a", n=40, slope=2.0):
    x = np.random.default_rng(3).normal(size=n)
    return Method(name, x, slope * x + 50, lambda values: 2 * values + 50, {"SROCC": 0.5})


def test_residuals_are_mapped_prediction_minus_mos():
    assert np.allclose(method(slope=2.0).residuals, 0)
    assert method(slope=1.0).residuals == pytest.approx(method().predictions)


def test_ranges_hold_equally_many_images():
    """Oracle: blocks of four of a sorted list."""
    mos = np.random.default_rng(0).permutation(np.arange(40.0))
    centres, means, deviations = binned_residuals(mos, 2 * mos)
    blocks = np.arange(40.0).reshape(10, 4)
    assert centres == pytest.approx(blocks.mean(axis=1))
    assert means == pytest.approx(2 * centres)
    assert deviations == pytest.approx(2 * blocks.std(axis=1))


def test_few_images_make_few_ranges():
    assert len(binned_residuals(np.arange(3.0), np.zeros(3))[0]) == 1


@pytest.mark.parametrize("grid", [mapping_grid, residual_grid, histogram_grid])
@pytest.mark.parametrize("count", [1, 4])
def test_a_panel_for_each_method(grid, count):
    figure = grid([method(str(number)) for number in range(count)])
    titles = [ax.get_title() for ax in figure.axes if ax.axison]
    assert titles == [str(number) for number in range(count)]
    assert figure_bytes(figure, dpi=40).startswith(b"\x89PNG")


def test_no_text_stands_in_a_scatter_plot():
    """Oracle: the boxes of the drawn text and of the panel."""
    figure = mapping_grid([method()])
    figure.canvas.draw()
    (ax,) = figure.axes
    assert [text.get_text() for text in ax.texts] == ["SROCC 0.500"]
    assert not ax.texts[0].get_window_extent().overlaps(ax.get_window_extent())


def test_the_line_is_the_mapping():
    (ax,) = mapping_grid([method()]).axes
    line = next(line for line in ax.lines if line.get_linestyle() == "-")
    assert line.get_ydata() == pytest.approx(2 * line.get_xdata() + 50)


def test_histograms_count_every_image_once():
    (ax,) = histogram_grid([method()]).axes
    assert [patch.get_data().values.sum() for patch in ax.patches] == [40, 40]
    assert ax.get_ylim()[0] == 0


def test_constant_values_are_drawn():
    flat = Method("flat", np.ones(5), np.full(5, 3.0), lambda values: np.full_like(values, 3.0))
    for grid in (mapping_grid, residual_grid, histogram_grid):
        assert figure_bytes(grid([flat]), dpi=40)


def test_scatter_panels_of_a_row_share_a_range_that_holds_every_point():
    figure = scatter_grid([[Cloud("a", [1, 50], [3, 60], {"SROCC": 0.5}), Cloud("b", [-20, math.nan], [3, 99])]])
    first, second = figure.axes
    assert first.get_xlim() == first.get_ylim() == second.get_xlim()
    assert first.get_xlim()[0] < -20 < 99 < first.get_xlim()[1]
    assert first.texts[0].get_text() == "SROCC 0.500"


@pytest.mark.parametrize("values", [[math.nan], []])
def test_scatter_without_a_finite_point(values):
    assert figure_bytes(scatter_grid([[Cloud("", values, values)]]), dpi=50)
