"""Where a method errs: predictions with the fitted mapping, residuals by MOS, and how often it predicts what."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from linearityiqa.reporting.scatter import draw_dots
from linearityiqa.reporting.style import PAGE_WIDTH, add_legend, new_figure, series_style, styled

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMNS = 3
"""Most panels beside each other."""
BINS = 10
"""Ranges of MOS over which residuals are averaged; each holds equally many images."""


@dataclass(frozen=True, eq=False)
class Method:
    """Predictions of one method on one set of images.

    Attributes:
        name: what stands above its panels.
        predictions: as the method gives them, shape (N,).
        mos: mean opinion scores, shape (N,).
        mapping: from predictions to the scale of the MOS.
        figures: what is written into the corner of its scatter plot, e.g. ``{"SROCC": 0.937}``.
    """

    name: str
    predictions: NDArray[np.float64]
    mos: NDArray[np.float64]
    mapping: Callable[[NDArray[np.float64]], NDArray[np.float64]]
    figures: Mapping[str, float] = field(default_factory=dict)

    @property
    def mapped(self) -> NDArray[np.float64]:
        """Predictions on the scale of the MOS, shape (N,)."""
        return self.mapping(self.predictions)

    @property
    def residuals(self) -> NDArray[np.float64]:
        """Mapped prediction minus MOS, shape (N,): positive where an image is flattered."""
        return self.mapped - self.mos


@styled
def mapping_grid(methods: Sequence[Method], *, width: float = PAGE_WIDTH) -> "Figure":
    """MOS against the raw predictions of each method, with its mapping as a line; the panels share the axis of MOS."""
    figure, panels = _panels(len(methods), width)
    for number, (method, ax) in enumerate(zip(methods, panels, strict=True)):
        draw_dots(ax, method.predictions, method.mos, number)
        x = np.linspace(method.predictions.min(), method.predictions.max(), 200)
        ax.plot(x, method.mapping(x), color="black", linewidth=1.1)
        ax.set(title=method.name, xlabel="Prediction", ylabel="MOS")
        text = "\n".join(f"{name} {value:.3f}" for name, value in method.figures.items())
        ax.text(0.04, 0.96, text, transform=ax.transAxes, ha="left", va="top", fontsize=7,
                bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1})  # fmt: skip
    _share_y(panels)
    return figure


@styled
def residual_grid(methods: Sequence[Method], *, width: float = PAGE_WIDTH) -> "Figure":
    """Mapped prediction minus MOS against MOS, with mean and standard deviation in ranges of MOS of equal count.

    A slope down is regression to the mean: good images are underrated and bad ones overrated.
    """
    figure, panels = _panels(len(methods), width)
    for number, (method, ax) in enumerate(zip(methods, panels, strict=True)):
        draw_dots(ax, method.mos, method.residuals, number)
        ax.axhline(0, color="black", linewidth=0.8, linestyle=(0, (4, 2)))
        centres, means, deviations = binned_residuals(method.mos, method.residuals)
        ax.errorbar(centres, means, yerr=deviations, color="black", linewidth=1.1, marker="o", markersize=3, capsize=2)
        ax.set(title=method.name, xlabel="MOS", ylabel="Mapped prediction \N{MINUS SIGN} MOS")
    _share_y(panels)
    return figure


@styled
def histogram_grid(methods: Sequence[Method], *, width: float = PAGE_WIDTH) -> "Figure":
    """How many images have which MOS, and which mapped prediction; a mapped method spreads less than the MOS."""
    figure, panels = _panels(len(methods), width)
    handles: dict[str, Artist] = {}
    for number, (method, ax) in enumerate(zip(methods, panels, strict=True)):
        both = np.concatenate([method.mos, method.mapped])
        low, high = float(both.min()), float(both.max())
        edges = np.linspace(low, high, 31) if high > low else np.array([low - 0.5, high + 0.5])
        handles["MOS"] = ax.stairs(np.histogram(method.mos, edges)[0], edges, fill=True, color="#BBBBBB")
        counts, colour = np.histogram(method.mapped, edges)[0], series_style(number).colour
        handles[f"mapped prediction: {method.name}"] = ax.stairs(counts, edges, linewidth=1.2, color=colour)
        ax.set(title=method.name, xlabel="MOS, mapped prediction", ylabel="Images")
    _share_y(panels)
    add_legend(figure, handles)
    return figure


def binned_residuals(
    mos: NDArray[np.float64], residuals: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Mean MOS, mean residual and standard deviation of the residuals in ranges of MOS that hold equally many images.

    >>> centres, means, _ = binned_residuals(np.arange(20.0), np.repeat([1.0, -1.0], 10))
    >>> means.tolist()
    [1.0, 1.0, 1.0, 1.0, 1.0, -1.0, -1.0, -1.0, -1.0, -1.0]
    """
    parts = np.array_split(np.argsort(mos, kind="stable"), min(BINS, max(1, len(mos) // 2)))
    rows = [(mos[part].mean(), residuals[part].mean(), residuals[part].std()) for part in parts]
    centres, means, deviations = np.array(rows, dtype=np.float64).T
    return centres, means, deviations


def _panels(count: int, width: float) -> "tuple[Figure, list[Axes]]":
    """A figure of `count` panels, at most `COLUMNS` in a row, and the panels."""
    columns = min(count, COLUMNS)
    rows = math.ceil(count / columns)
    panel = min(width / columns, 0.55 * width)
    figure = new_figure(columns * panel, rows * (0.82 * panel + 0.35))
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for ax in axes[count:]:
        ax.set_axis_off()
    return figure, list(axes[:count])


def _share_y(panels: "Sequence[Axes]") -> None:
    low, high = zip(*(ax.get_ylim() for ax in panels), strict=True)
    for ax in panels:
        ax.set_ylim(min(low), max(high))
