"""Predicted quality against mean opinion score."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from linearityiqa.reporting.style import PAGE_WIDTH, new_figure, series_style, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FIGURES_POINTS = 9
"""Height of the line of figures between a panel and its title: inside the panel it would hide dots."""
DENSE = 500
"""From this number on the dots are small, translucent, and pixels in a PDF."""


@dataclass(frozen=True, eq=False)
class Cloud:
    """Predictions of one model on one set of images.

    Attributes:
        title: what stands above the panel.
        predicted: predictions mapped to the scale of the MOS, shape (N,).
        mos: mean opinion scores, shape (N,).
        figures: what is written above the dots, e.g. ``{"SROCC": 0.937, "PLCC": 0.947}``.
        style: number of its colour.
    """

    title: str
    predicted: ArrayLike
    mos: ArrayLike
    figures: Mapping[str, float] = field(default_factory=dict)
    style: int = 0


@styled
def scatter_grid(
    clouds: Sequence[Sequence[Cloud]], *, scale: str = "", width: float = PAGE_WIDTH, labels: bool = True
) -> "Figure":
    """Draw rows of scatter plots, each square, with the identity line; the panels of a row share their range.

    Args:
        clouds: rows of equal length, top row first.
        scale: words after "MOS" on the axes, e.g. the database.
        width: width of the figure in inches.
        labels: whether axes are labelled.
    """
    columns = len(clouds[0])
    side = (width - 0.55) / columns
    above = FIGURES_POINTS / 72 if any(cloud.figures for row in clouds for cloud in row) else 0
    figure = new_figure(width, len(clouds) * (side + 0.32 + above))
    axes = figure.subplots(len(clouds), columns, squeeze=False)
    for row, row_axes in zip(clouds, axes, strict=True):
        low, high = _range_of(row)
        for column, (cloud, ax) in enumerate(zip(row, row_axes, strict=True)):
            _draw_cloud(cloud, ax, low, high)
            if labels and column == 0:
                ax.set_ylabel(f"MOS{scale}")
            if labels:
                ax.set_xlabel("Predicted quality")
    return figure


def _draw_cloud(cloud: Cloud, ax: "Axes", low: float, high: float) -> None:
    from matplotlib.ticker import MaxNLocator

    predicted, mos = np.asarray(cloud.predicted, dtype=np.float64), np.asarray(cloud.mos, dtype=np.float64)
    draw_dots(ax, predicted, mos, cloud.style)
    ax.plot([low, high], [low, high], color="black", linewidth=0.8, linestyle=(0, (4, 2)))
    ax.set(xlim=(low, high), ylim=(low, high), aspect="equal", title=cloud.title)
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(MaxNLocator(nbins=5))
    if cloud.figures:
        ax.set_title(cloud.title, pad=5 + FIGURES_POINTS)
        text = ", ".join(f"{name} {value:.3f}" for name, value in cloud.figures.items())
        ax.annotate(text, (0.5, 1), (0, 3), "axes fraction", "offset points", ha="center", va="bottom", fontsize=7)


def draw_dots(ax: "Axes", x: NDArray[np.float64], y: NDArray[np.float64], style: int) -> None:
    """Draw a cloud of dots in the colour number `style`."""
    dense = len(x) >= DENSE
    ax.plot(
        x,
        y,
        linestyle="none",
        marker="o",
        markersize=2.2 if dense else 3.5,
        markeredgewidth=0,
        color=series_style(style).colour,
        alpha=0.3 if dense else 0.7,
        rasterized=dense,
    )


def _range_of(row: Sequence[Cloud]) -> tuple[float, float]:
    """A range that holds every finite point of a row, with a margin."""
    values = np.concatenate(
        [np.asarray(side, dtype=np.float64) for cloud in row for side in (cloud.predicted, cloud.mos)]
    )
    values = values[np.isfinite(values)]
    if not len(values):
        return 0.0, 1.0
    low, high = float(values.min()), float(values.max())
    margin = 0.04 * (high - low) or 0.5
    return low - margin, high + margin
