"""Bootstrap over the images: resamples, bias-corrected and accelerated intervals, and the p-value they imply."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from linearityiqa.errors import ConfigError
from linearityiqa.extras import require
from linearityiqa.mapping import magnitude

FloatArray = NDArray[np.float64]
Images = NDArray[np.intp]
"""Positions of the images of each resample, shape (resamples, N)."""

MIN_IMAGES = 4
"""Fewest images that are resampled."""
CHUNK = 1 << 21
"""Values at once: bounds the memory to about 0.2 GB."""
_MAX_UNDEFINED = 0.05


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A confidence interval.

    Attributes:
        low: lower bound.
        high: upper bound.
        confidence: its nominal coverage, e.g. 0.95.
    """

    low: float
    high: float
    confidence: float

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high


class Statistic(Protocol):
    """Figures of agreement, many resamples at once."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the figures."""

    def resampled(self, images: Images) -> FloatArray:
        """Return each figure on each resample, shape (figures, resamples); nan where it is not defined."""

    def jackknife(self) -> FloatArray:
        """Return each figure without each of the images, shape (figures, N)."""


@dataclass(frozen=True, eq=False)
class Replicates:
    """A figure on all images, on every resample, and with each image left out.

    Attributes:
        estimate: on all images.
        resampled: on the resamples, shape (resamples,).
        jackknife: without each of the images, shape (N,).
    """

    estimate: float
    resampled: FloatArray
    jackknife: FloatArray

    def __sub__(self, other: "Replicates") -> "Replicates":
        """Return the difference of two figures, on the same resamples."""
        return Replicates(
            self.estimate - other.estimate, self.resampled - other.resampled, self.jackknife - other.jackknife
        )

    def __mul__(self, factor: float) -> "Replicates":
        return Replicates(factor * self.estimate, factor * self.resampled, factor * self.jackknife)

    def interval(self, confidence: float) -> Interval | None:
        """Return the bias-corrected and accelerated (BCa) interval (Efron, JASA 82, 1987).

        Resamples on which the figure is not defined, as a correlation where a few images were drawn over and over, are
        left out; where they are more than 5 %, or where all resamples lie on one side of the estimate, there is no
        interval.
        """
        parts = self._bca()
        if parts is None:
            return None
        values, bias, acceleration = parts
        special = require("scipy.special", "metrics")
        tail = (1 - confidence) / 2
        shifted = bias + special.ndtri(np.array([tail, 1 - tail]))
        low, high = np.quantile(values, special.ndtr(bias + shifted / (1 - acceleration * shifted)))
        return Interval(low=float(low), high=float(high), confidence=confidence)

    def p_value(self) -> float | None:
        """Two-sided p-value of the hypothesis that the figure is 0: the level at which the BCa interval touches 0.

        It is not below about 1 / resamples, and None where there is no interval.
        """
        parts = self._bca()
        if parts is None:
            return None
        values, bias, acceleration = parts
        special = require("scipy.special", "metrics")
        half = 0.5 / len(values)
        distance = float(special.ndtri(np.clip(_share_below(values, 0.0), half, 1 - half))) - bias
        scale = 1 + acceleration * distance
        if scale <= 0:  # beyond what any level of the interval reaches
            return 2 * half
        z = distance / scale - bias
        return max(2 * float(special.ndtr(-abs(z))), 2 * half)

    def _bca(self) -> tuple[FloatArray, float, float] | None:
        """Return the resamples on which the figure is defined, bias and acceleration; None: no interval."""
        values = self.resampled[np.isfinite(self.resampled)]
        if not np.isfinite(self.estimate) or len(values) < (1 - _MAX_UNDEFINED) * len(self.resampled):
            return None
        bias = float(require("scipy.special", "metrics").ndtri(_share_below(values, self.estimate)))
        return (values, bias, self._acceleration()) if np.isfinite(bias) else None

    def _acceleration(self) -> float:
        jackknife = self.jackknife[np.isfinite(self.jackknife)]
        if not len(jackknife):
            return 0.0
        jackknife = jackknife / magnitude(jackknife)
        deviations = jackknife.mean() - jackknife
        spread = float((deviations**2).sum())
        return float((deviations**3).sum() / (6 * spread**1.5)) if spread > 0 else 0.0


def replicate(
    statistics: Sequence[Statistic], estimates: Sequence[dict[str, float]], n: int, resamples: int, seed: int
) -> list[dict[str, Replicates]]:
    """Evaluate each statistic on the same resamples of its `n` images; `estimates` are its figures on all of them."""
    parts: list[list[FloatArray]] = [[] for _ in statistics]
    for images in draw(n, resamples, seed):
        for part, statistic in zip(parts, statistics, strict=True):
            part.append(statistic.resampled(images))
    found = []
    for part, statistic, figures in zip(parts, statistics, estimates, strict=True):
        resampled, jackknife = np.concatenate(part, axis=1), statistic.jackknife()
        found.append(
            {name: Replicates(figures[name], resampled[i], jackknife[i]) for i, name in enumerate(statistic.names)}
        )
    return found


def draw(n: int, resamples: int, seed: int) -> Iterator[Images]:
    """Yield resamples of `n` images with replacement, in chunks of bounded memory."""
    rng = np.random.default_rng(seed)
    for rows in in_chunks(resamples, n):
        yield rng.integers(0, n, (len(rows), n))


def in_chunks(rows: int, n: int) -> Iterator[Images]:
    """Yield the numbers of `rows` rows of `n` values, as many at once as bounded memory allows."""
    step = max(1, CHUNK // n)
    return (np.arange(start, min(start + step, rows)) for start in range(0, rows, step))


def check_resampling(resamples: int, confidence: float) -> None:
    """Refuse numbers that make no interval."""
    if resamples != 0 and resamples < 100:
        raise ConfigError(f"resamples must be 0 or at least 100, got {resamples}")
    if not 0 < confidence < 1:
        raise ConfigError(f"confidence must be between 0 and 1, got {confidence}")


def _share_below(values: FloatArray, limit: float) -> float:
    """Share of the values below a limit; of those on it, half."""
    return float((np.mean(values < limit) + np.mean(values <= limit)) / 2)
