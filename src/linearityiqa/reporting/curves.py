"""Curves in a grid of panels: metrics by epoch, or any quantity by step."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from linearityiqa.reporting.style import COLUMN_WIDTH, PAGE_WIDTH, add_legend, new_figure, series_style, styled

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MANY_POINTS = 200
"""From this length on a curve is drawn thin, without markers, and as pixels in a PDF."""


@dataclass(frozen=True, eq=False)
class Line:
    """One curve.

    Attributes:
        label: its name in the legend.
        x: steps, shape (N,); N may be 0.
        y: values, shape (N,); a value that is not finite leaves a gap.
        style: number of its colour, dashes and marker; by default its place among the panel's lines.
        mark: a point of the curve to emphasise, (x, y).
        ended: whether the curve stops before its time: its last point gets a cross.
    """

    label: str
    x: ArrayLike
    y: ArrayLike
    style: int | None = None
    mark: tuple[float, float] | None = None
    ended: bool = False


@dataclass(frozen=True, eq=False)
class Panel:
    """One pair of axes.

    Attributes:
        title: what stands above it.
        y_label: quantity and unit of the vertical axis.
        lines: its curves, at least one.
        level: where a dashed horizontal line is drawn, if anywhere.
        note: a few words inside the panel, e.g. which run diverged.
    """

    title: str
    y_label: str
    lines: Sequence[Line]
    level: float | None = None
    note: str = ""


@styled
def line_grid(
    panels: Sequence[Sequence[Panel]],
    *,
    x_label: str = "Epoch",
    width: float = PAGE_WIDTH,
    panel_height: float = 1.65,
    share_y: bool = False,
) -> "Figure":
    """Draw rows of panels under one legend.

    Args:
        panels: rows of equal length, top row first.
        x_label: label of the horizontal axes, written below the lowest row.
        width: width of the figure in inches.
        panel_height: height of one row in inches.
        share_y: whether the panels of a row have one vertical range, written at the left only.
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
        if panel.note:  # only now are the shared ranges known
            _write_note(panel, ax)
    figure.align_ylabels()
    add_legend(figure, handles)
    return figure


def convergence(
    runs: Mapping[str, Mapping[str, Sequence[float]]],
    *,
    metrics: Sequence[str] = ("SROCC", "PLCC", "RMSE"),
    title: str = "",
    width: float = PAGE_WIDTH,
) -> "Figure":
    """Draw each metric by epoch, one panel a metric and one curve a run.

    Args:
        runs: for each run's name, the values of each metric at epochs 1, 2, ...; runs may be of unequal length, and
            a run that lacks a metric has no curve in its panel.
        metrics: which metrics, in the order of the panels.
        title: what stands above the middle panel, e.g. the split and the database.
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
    """Draw one panel; the legend's handle of each label."""
    from matplotlib.ticker import MaxNLocator

    handles: dict[str, Artist] = {}
    for number, line in enumerate(panel.lines):
        handles[line.label] = _draw_line(line, number, ax)
    if panel.level is not None:
        ax.axhline(panel.level, color="#555555", linewidth=0.8, linestyle=(0, (4, 2)), zorder=1)
    ax.set_title(panel.title)
    ax.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True, steps=[1, 2, 5, 10]))
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


def _write_note(panel: Panel, ax: "Axes") -> None:
    """Put the note where the curves leave the panel emptiest: at its right or left edge."""
    lines = panel.note.split("\n")
    box = min(0.03 * max(map(len, lines)), 0.9), min(0.04 + 0.09 * len(lines), 0.9)  # about its size in the panel
    points = np.concatenate([_unit_square(line, ax) for line in panel.lines])
    places = [(x, y) for y in (0.04, 0.96, 0.5) for x in (0.97, 0.03)]
    x, y = min(places, key=lambda place: _crowd(place, box, points))
    ax.text(x, y, panel.note, transform=ax.transAxes, fontsize=6.5, zorder=6,
            ha="right" if x > 0.5 else "left", va={0.04: "bottom", 0.5: "center", 0.96: "top"}[y],
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1})  # fmt: skip


def _unit_square(line: Line, ax: "Axes") -> NDArray[np.float64]:
    """Points along the curve in fractions of the panel, shape (N, 2); also between its own."""
    points = np.stack([np.asarray(line.x, dtype=np.float64), np.asarray(line.y, dtype=np.float64)], axis=1)
    points = points[np.isfinite(points).all(axis=1)]
    low, high = np.array([ax.get_xlim(), ax.get_ylim()]).T
    steps = np.arange(max(8 * (len(points) - 1) + 1, 0)) / 8
    along = [np.interp(steps, np.arange(len(points)), column) if len(points) else steps for column in points.T]
    return np.asarray((np.stack(along, axis=1) - low) / (high - low))


def _crowd(place: tuple[float, float], box: tuple[float, float], points: NDArray[np.float64]) -> int:
    """How many points lie where a note of the size `box` would stand."""
    low_x = place[0] - box[0] if place[0] > 0.5 else place[0]
    low_y = place[1] - {0.04: 0.0, 0.5: box[1] / 2, 0.96: box[1]}[place[1]]
    x, y = points.T
    return int(((x > low_x) & (x < low_x + box[0]) & (y > low_y) & (y < low_y + box[1])).sum())
