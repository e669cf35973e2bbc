"""SROCC, KROCC, PLCC and errors of many resamples at once."""

from collections.abc import Sequence

import numpy as np

from linearityiqa.extras import require
from linearityiqa.mapping import magnitude
from linearityiqa.metrics.mappings import FittedMapping, tangent
from linearityiqa.metrics.resampling import FloatArray, Images, in_chunks


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

    Args:
        predictions: shape (N,), finite.
        mos: shape (N,), finite.
        std: standard deviations of the ratings, shape (N,), or None.
        mappings: fitted to all images.
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
