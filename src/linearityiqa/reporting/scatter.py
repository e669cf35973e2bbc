"""Scatter plots of predicted quality and MOS, and what else shows where a method errs."""

import math
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from linearityiqa.reporting.style import PAGE_WIDTH, add_legend, new_figure, series_style, styled

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FIGURES_POINTS = 9
"""Height of the line of figures between a panel and its title: inside the panel it would hide dots."""
DENSE = 500
"""From this number on the dots are small, translucent, and pixels in a PDF."""
COLUMNS = 4
"""Most panels in a row; one fewer where the last row would not be full."""
BINS = 10
"""Ranges of MOS over which residuals are averaged; each holds equally many images."""


@dataclass(frozen=True, eq=False)
class Cloud:
    """Predictions of one model, mapped to the scale of the MOS, and the MOS of the same N images."""

    title: str
    predicted: ArrayLike
    mos: ArrayLike
    figures: Mapping[str, float] = field(default_factory=dict)
    """Written above the dots, e.g. ``{"SROCC": 0.937, "PLCC": 0.947}``."""
    style: int = 0
    """Number of its colour."""


@styled
def scatter_grid(clouds: Sequence[Sequence[Cloud]], *, width: float = PAGE_WIDTH) -> "Figure":
    """Draw rows of scatter plots, each square, with the identity line; the panels of a row share their range.

    Rows are of equal length, top row first; `width` is in inches.
    """
    columns = len(clouds[0])
    side = (width - 0.55) / columns
    above = FIGURES_POINTS / 72 if any(cloud.figures for row in clouds for cloud in row) else 0
    figure = new_figure(width, len(clouds) * (side + 0.32 + above))
    axes = figure.subplots(len(clouds), columns, squeeze=False)
    for row, row_axes in zip(clouds, axes, strict=True):
        low, high = _range_of(row)
        for cloud, ax in zip(row, row_axes, strict=True):
            _draw_cloud(cloud, ax, low, high)
            ax.set_xlabel("Predicted quality")
        row_axes[0].set_ylabel("MOS")
    return figure


def _draw_cloud(cloud: Cloud, ax: "Axes", low: float, high: float) -> None:
    from matplotlib.ticker import MaxNLocator

    predicted, mos = np.asarray(cloud.predicted, dtype=np.float64), np.asarray(cloud.mos, dtype=np.float64)
    _draw_dots(ax, predicted, mos, cloud.style)
    ax.plot([low, high], [low, high], color="black", linewidth=0.8, linestyle=(0, (4, 2)))
    ax.set(xlim=(low, high), ylim=(low, high), aspect="equal")
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(MaxNLocator(nbins=5))
    _write_heading(ax, cloud.title, cloud.figures)


def _write_heading(ax: "Axes", title: str, figures: Mapping[str, float]) -> None:
    """Write a panel's title, and below it, above the dots, its figures."""
    ax.set_title(title, pad=5 + FIGURES_POINTS * bool(figures))
    text = ", ".join(f"{name} {value:.3f}" for name, value in figures.items())
    ax.annotate(text, (0.5, 1), (0, 3), "axes fraction", "offset points", ha="center", va="bottom", fontsize=7)


def _draw_dots(ax: "Axes", x: NDArray[np.float64], y: NDArray[np.float64], style: int) -> None:
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
    """Return a range that holds every finite point of a row, with a margin."""
    values = np.concatenate(
        [np.asarray(side, dtype=np.float64) for cloud in row for side in (cloud.predicted, cloud.mos)]
    )
    values = values[np.isfinite(values)]
    if not len(values):
        return 0.0, 1.0
    low, high = float(values.min()), float(values.max())
    margin = 0.04 * (high - low) or 0.5
    return low - margin, high + margin


@dataclass(frozen=True, eq=False)
class Method:
    """Raw predictions of one method, its mapping to the scale of the MOS, and the MOS of the same N images."""

    name: str
    predictions: NDArray[np.float64]
    mos: NDArray[np.float64]
    mapping: Callable[[NDArray[np.float64]], NDArray[np.float64]]
    figures: Mapping[str, float] = field(default_factory=dict)
    """Written above its scatter plot, e.g. ``{"SROCC": 0.937}``."""

    @property
    def mapped(self) -> NDArray[np.float64]:
        """Predictions on the scale of the MOS, shape (N,)."""
        return self.mapping(self.predictions)

    @property
    def residuals(self) -> NDArray[np.float64]:
        """Mapped prediction minus MOS, shape (N,): positive where an image is flattered."""
        return self.mapped - self.mos


@styled
def mapping_grid(methods: Sequence[Method]) -> "Figure":
    """Draw MOS against the raw predictions of each method, with its mapping as a line; panels share the MOS axis."""
    figure, panels = _panels(len(methods), "MOS")
    for number, (method, ax) in enumerate(zip(methods, panels, strict=True)):
        _draw_dots(ax, method.predictions, method.mos, number)
        x = np.linspace(method.predictions.min(), method.predictions.max(), 200)
        ax.plot(x, method.mapping(x), color="black", linewidth=1.1)
        ax.set(xlabel="Prediction")
        _write_heading(ax, _folded(method.name, panels), method.figures)
    return figure


@styled
def residual_grid(methods: Sequence[Method]) -> "Figure":
    """Draw mapped prediction minus MOS against MOS, with mean and standard deviation in ranges of equally many images.

    A slope down is regression to the mean: good images are underrated and bad ones overrated.
    """
    figure, panels = _panels(len(methods), "Mapped prediction \N{MINUS SIGN} MOS")
    for number, (method, ax) in enumerate(zip(methods, panels, strict=True)):
        _draw_dots(ax, method.mos, method.residuals, number)
        ax.axhline(0, color="black", linewidth=0.8, linestyle=(0, (4, 2)))
        centres, means, deviations = binned_residuals(method.mos, method.residuals)
        ax.errorbar(centres, means, yerr=deviations, color="black", linewidth=1.1, marker="o", markersize=3, capsize=2)
        ax.set(title=_folded(method.name, panels), xlabel="MOS")
    return figure


@styled
def histogram_grid(methods: Sequence[Method]) -> "Figure":
    """Draw histograms of the MOS and of the mapped predictions; a mapped method spreads less than the MOS."""
    figure, panels = _panels(len(methods), "Images")
    handles: dict[str, Artist] = {}
    for number, (method, ax) in enumerate(zip(methods, panels, strict=True)):
        both = np.concatenate([method.mos, method.mapped])
        low, high = float(both.min()), float(both.max())
        edges = np.linspace(low, high, 31) if high > low else np.array([low - 0.5, high + 0.5])
        handles["MOS"] = ax.stairs(np.histogram(method.mos, edges)[0], edges, fill=True, color="#BBBBBB")
        counts, colour = np.histogram(method.mapped, edges)[0], series_style(number).colour
        handles[f"mapped prediction: {method.name}"] = ax.stairs(counts, edges, linewidth=1.2, color=colour)
        ax.set(title=_folded(method.name, panels), xlabel="MOS, mapped prediction")
    panels[0].set_ylim(bottom=0)  # bars whose foot is hidden would mislead
    add_legend(figure, handles)
    return figure


def binned_residuals(
    mos: NDArray[np.float64], residuals: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return mean MOS, mean residual and its standard deviation in ranges of MOS that hold equally many images.

    >>> centres, means, _ = binned_residuals(np.arange(20.0), np.repeat([1.0, -1.0], 10))
    >>> means.tolist()
    [1.0, 1.0, 1.0, 1.0, 1.0, -1.0, -1.0, -1.0, -1.0, -1.0]
    """
    parts = np.array_split(np.argsort(mos, kind="stable"), min(BINS, max(1, len(mos) // 2)))
    rows = [(mos[part].mean(), residuals[part].mean(), residuals[part].std()) for part in parts]
    centres, means, deviations = np.array(rows, dtype=np.float64).T
    return centres, means, deviations


def _panels(count: int, y_label: str) -> "tuple[Figure, list[Axes]]":
    """Return a figure of `count` panels with one vertical axis, at most `COLUMNS` in a row, and the panels."""
    columns = COLUMNS if count % COLUMNS == 0 else min(count, COLUMNS - 1)
    rows = math.ceil(count / columns)
    panel = min(PAGE_WIDTH / columns, 0.55 * PAGE_WIDTH)
    figure = new_figure(columns * panel, rows * (max(0.82 * panel, 1.6) + 0.35))
    axes = figure.subplots(rows, columns, squeeze=False, sharey=True)
    for left in axes[:, 0]:
        left.set_ylabel(y_label)
    for ax in axes.flat[count:]:
        ax.set_axis_off()
    return figure, list(axes.flat[:count])


def _folded(title: str, panels: "Sequence[Axes]") -> str:
    """Break a title into as many lines as it needs above its panel."""
    return textwrap.fill(title, 60 if len(panels) == 1 else 100 // min(len(panels), COLUMNS))
