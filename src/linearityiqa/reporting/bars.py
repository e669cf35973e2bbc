"""Bars in groups: one group a backbone, one bar a loss."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from linearityiqa.reporting.style import COLUMN_WIDTH, add_legend, new_figure, series_style, styled

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False)
class BarSeries:
    """The bars of one colour.

    Attributes:
        label: its name in the legend.
        values: one value a group; NaN for none.
        references: values to compare with, drawn as diamonds, one a group (NaN for none); empty for none at all.
        style: number of its colour and hatching; by default its place among the series.
    """

    label: str
    values: Sequence[float]
    references: Sequence[float] = ()
    style: int | None = None


@dataclass(frozen=True, eq=False)
class BarPanel:
    """One pair of axes with grouped bars.

    Attributes:
        title: what stands above it.
        y_label: the quantity.
        groups: names of the groups.
        series: what is compared in each group.
    """

    title: str
    y_label: str
    groups: Sequence[str]
    series: Sequence[BarSeries]


@styled
def bar_chart(
    panels: Sequence[BarPanel], *, width: float = 2 * COLUMN_WIDTH, height: float = 2.5, reference: str = "published"
) -> "Figure":
    """Draw panels of grouped bars side by side, each value written on its bar, under one legend.

    The vertical axis starts below the smallest value, not at 0, so that differences of correlations show; the values
    on the bars keep that honest.

    Args:
        panels: panels from left to right.
        width: width of the figure in inches.
        height: its height in inches.
        reference: what the diamonds are called in the legend.
    """
    figure = new_figure(width, height)
    axes = figure.subplots(1, len(panels), squeeze=False)[0]
    handles: dict[str, Artist] = {}
    for panel, ax in zip(panels, axes, strict=True):
        handles |= _draw_bars(panel, ax, reference)
    if reference in handles:
        handles[reference] = handles.pop(reference)  # last in the legend
    add_legend(figure, handles)
    return figure


def _draw_bars(panel: BarPanel, ax: "Axes", reference: str) -> "dict[str, Artist]":
    handles: dict[str, Artist] = {}
    low, high = _bar_range(panel)
    near = 0.03 * (high - low)  # a diamond this close to the bar's end would touch the number
    places = np.arange(len(panel.groups))
    thickness = 0.84 / max(1, len(panel.series))
    for number, series in enumerate(panel.series):
        style = series_style(number if series.style is None else series.style)
        x = places + (number - (len(panel.series) - 1) / 2) * thickness
        heights = np.asarray(series.values, dtype=np.float64)
        # matplotlib hatches in the edge's colour; white keeps the bar's own colour readable
        drawn = ax.bar(
            x, heights, width=thickness * 0.94, color=style.colour, hatch=style.hatch, edgecolor="white", linewidth=0
        )
        handles[series.label] = drawn.patches[0]
        if len(series.references):
            (handles[reference],) = ax.plot(x, series.references, linestyle="none", marker="D", markersize=3.5,
                                            markerfacecolor="white", markeredgecolor="black")  # fmt: skip
        references = series.references or [math.nan] * len(x)
        for place, value, other in zip(x, heights, references, strict=True):
            _write_value(ax, place, value, other, near)
    ax.set_xticks(places, panel.groups)
    ax.grid(False, axis="x")
    ax.set(title=panel.title, ylabel=panel.y_label, ylim=(low, high))
    return handles


def _write_value(ax: "Axes", place: float, value: float, reference: float, near: float) -> None:
    """Write a bar's value upright beyond the bar's end and its diamond; "none" on the axis where there is no bar."""
    if not math.isfinite(value):
        ax.annotate("none", (place, 0.0), xycoords=("data", "axes fraction"), xytext=(0, 2),
                    textcoords="offset points", ha="center", va="bottom", fontsize=6, rotation=90)  # fmt: skip
        return
    top = max(value, reference) if math.isfinite(reference) else value
    text = f"{value:.3f}".replace("0.", ".", 1)
    if value < 0:  # the end of the bar is below
        ax.annotate(text, (place, value), xytext=(0, -2), textcoords="offset points", ha="center", va="top",
                    fontsize=6, rotation=90)  # fmt: skip
        return
    ax.annotate(text, (place, top), xytext=(0, 5 if reference > value - near else 2), textcoords="offset points",
                ha="center", va="bottom", fontsize=6, rotation=90)  # fmt: skip


def _bar_range(panel: BarPanel) -> tuple[float, float]:
    """A vertical range that shows the differences and leaves room for the numbers on the bars."""
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
