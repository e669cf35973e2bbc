"""Bootstrap over the images: figures of many resamples at once, their BCa intervals, and the p-value they imply."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from linearityiqa.errors import ConfigError
from linearityiqa.extras import require
from linearityiqa.mapping import magnitude
from linearityiqa.metrics.mappings import FittedMapping, tangent

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
    """A confidence interval, and its nominal coverage, e.g. 0.95."""

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
    """A figure on all images, on the resamples (resamples,), and without each of the images (N,)."""

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
        """Return the two-sided p-value of the figure being 0: the level at which the BCa interval touches 0.

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
    methods: Sequence[tuple[Sequence[Statistic], Mapping[str, float]]], n: int, resamples: int, seed: int
) -> list[dict[str, Replicates]]:
    """Evaluate the statistics of each method on the same resamples of `n` images, by figure.

    Each method comes with its figures on all images.
    """
    parts: dict[Statistic, list[FloatArray]] = {statistic: [] for own, _ in methods for statistic in own}
    for images in draw(n, resamples, seed):
        for statistic, part in parts.items():
            part.append(statistic.resampled(images))
    found: list[dict[str, Replicates]] = [{} for _ in methods]
    for own, (statistics, estimates) in zip(found, methods, strict=True):
        for statistic in statistics:
            rows = zip(statistic.names, np.concatenate(parts[statistic], axis=1), statistic.jackknife(), strict=True)
            own |= {name: Replicates(estimates[name], *values) for name, *values in rows}
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
    """Return the share of the values below a limit; of those on it, half."""
    return float((np.mean(values < limit) + np.mean(values <= limit)) / 2)


class RankStatistics:
    """SROCC and KROCC (tau-b) of one method."""

    names = ("SROCC", "KROCC")

    def __init__(self, predictions: FloatArray, mos: FloatArray) -> None:
        self._stats = require("scipy.stats", "metrics")
        self._x, self._y = self._centred_ranks(predictions), self._centred_ranks(mos)

    def resampled(self, images: Images) -> FloatArray:
        """Return both figures on each resample, shape (2, resamples)."""
        x, y = self._x[images], self._y[images]
        # the asymptotic p-value, which is not used, is the quicker one
        krocc = [self._stats.kendalltau(*pair, method="asymptotic").statistic for pair in zip(x, y, strict=True)]
        return np.stack([_ratio(*_products(self._centred_ranks(x), self._centred_ranks(y))), krocc])

    def jackknife(self) -> FloatArray:
        """Return both figures without each image, shape (2, N)."""
        n = len(self._x)
        shares, rank_products = [], []
        for images in in_chunks(n, n):
            signs = [np.sign(np.subtract.outer(ranks[images], ranks)) for ranks in (self._x, self._y)]
            shares.append(_products(*signs))
            # without image j the centred rank of image i rises by sign(x_j - x_i) / 2
            x, y = self._x + signs[0] / 2, self._y + signs[1] / 2
            own_x, own_y = self._x[images], self._y[images]
            rank_products.append(_products(x, y) - _products(own_x[:, np.newaxis], own_y[:, np.newaxis]))
        # tau-b: the sums over all pairs, each of which has two images, less the pairs of the image that is left out
        pairs = [share.sum() / 2 - share for share in np.concatenate(shares, axis=1)]
        return np.stack([_ratio(*np.concatenate(rank_products, axis=1)), _ratio(*pairs)])

    def _centred_ranks(self, values: FloatArray) -> FloatArray:
        """Return mean ranks less their mean, in the shape given; each row is ranked alone."""
        return np.asarray(self._stats.rankdata(values, axis=-1) - (values.shape[-1] + 1) / 2)


def _products(x: FloatArray, y: FloatArray) -> FloatArray:
    """Return the sums of xy, xx and yy of each row, shape (3, rows)."""
    return np.stack([np.einsum("rn,rn->r", *pair) for pair in ((x, y), (x, x), (y, y))])


def _ratio(product: FloatArray, first: FloatArray, second: FloatArray) -> FloatArray:
    """Return product / sqrt(first * second); nan where one of them is 0, as for constant values."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = product / np.sqrt(first * second)
    ratio[(first <= 0) | (second <= 0)] = np.nan
    return ratio


class MomentStatistics:
    """PLCC, RMSE, MAE and outlier ratio of one method, and PLCC and RMSE after mappings.

    A mapping is fitted anew to each resample, the line exactly, a logistic by one Gauss-Newton step from the fit to all
    images (Davidson and MacKinnon, International Economic Review 40, 1999). The squared error after the step, for a
    resample with weights W, is r'Wr - (Q'Wr)' (Q'WQ)^-1 (Q'Wr), with r the residuals and Q a basis of the curve's
    tangent.
    """

    def __init__(
        self, predictions: FloatArray, mos: FloatArray, std: FloatArray | None, mappings: Sequence[FittedMapping]
    ) -> None:
        error = np.abs(predictions - mos)
        outliers = np.zeros_like(error) if std is None else (error > 2 * std).astype(np.float64)
        self._unit_of_error, self._unit = magnitude(error), magnitude(mos)
        x, y, error = predictions / magnitude(predictions), mos / self._unit, error / self._unit_of_error
        # squares of deviations below the rounding of the values themselves are no variance
        self._floor_x, self._floor_y = _rounding(x), _rounding(y)
        x, y = x - x.mean(), y - y.mean()
        columns = [np.stack([x, y, x * x, y * y, x * y, error**2, error, outliers], axis=1)]
        self._ranks = []
        for mapping in mappings:
            basis, residual = tangent(mapping, predictions) * len(x) ** 0.5, (mos - mapping(predictions)) / self._unit
            rank = basis.shape[1]
            products = np.einsum("ni,nj->nij", basis, basis).reshape(len(x), rank * rank)
            columns += [products, basis * residual[:, np.newaxis], residual[:, np.newaxis] ** 2]
            self._ranks.append(rank)
        self._features = np.concatenate(columns, axis=1)
        self._with_outliers = std is not None
        after = [f"{figure}_{mapping.name}" for mapping in mappings for figure in ("PLCC", "RMSE")]
        self.names = ("PLCC", "RMSE", "MAE", *(("outlier_ratio",) if self._with_outliers else ()), *after)

    def resampled(self, images: Images) -> FloatArray:
        """Return every figure on each resample, shape (figures, resamples)."""
        n = len(self._features)
        counts = np.array([np.bincount(drawn, minlength=n) for drawn in images], dtype=np.float64)
        return self._figures((counts @ self._features / n).T)

    def jackknife(self) -> FloatArray:
        """Return every figure without each image, shape (figures, N)."""
        n = len(self._features)
        return self._figures(((self._features.sum(axis=0) - self._features) / (n - 1)).T)

    def _figures(self, means: FloatArray) -> FloatArray:
        x, y, xx, yy, xy, squared, absolute, outliers = means[:8]
        variance_x, variance_y = xx - x * x, yy - y * y
        with np.errstate(divide="ignore", invalid="ignore"):
            plcc = (xy - x * y) / np.sqrt(variance_x * variance_y)
        plcc[(variance_x <= self._floor_x) | (variance_y <= self._floor_y)] = np.nan
        figures = [np.clip(plcc, -1, 1), self._unit_of_error * np.sqrt(squared), self._unit_of_error * absolute]
        if self._with_outliers:
            figures.append(outliers)
        start = 8
        for rank in self._ranks:
            after = self._error_after_step(means[start : start + rank * rank + rank + 1], rank)
            start += rank * rank + rank + 1
            with np.errstate(divide="ignore", invalid="ignore"):
                explained = 1 - after / variance_y
            explained[variance_y <= self._floor_y] = np.nan
            figures += [np.sqrt(np.clip(explained, 0, 1)), self._unit * np.sqrt(np.maximum(after, 0))]
        return np.stack(figures)

    def _error_after_step(self, means: FloatArray, rank: int) -> FloatArray:
        """Return the mean squared error of each resample after one Gauss-Newton step."""
        products = means[: rank * rank].T.reshape(-1, rank, rank)
        gradient = means[rank * rank : -1].T[:, :, np.newaxis]
        step = np.linalg.pinv(products, rcond=1e-10, hermitian=True) @ gradient
        return np.asarray(means[-1] - np.einsum("rio,rio->r", gradient, step))


def _rounding(values: FloatArray) -> float:
    return float((4 * np.finfo(np.float64).eps * np.abs(values).max()) ** 2)
