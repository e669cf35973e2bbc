"""PLCC and errors of thousands of resamples: each is a function of a few weighted means."""

from collections.abc import Sequence

import numpy as np

from linearityiqa.metrics.mappings import FittedMapping, tangent
from linearityiqa.metrics.resampling import Counts, FloatArray


class MomentStatistics:
    """PLCC, RMSE, MAE and outlier ratio of one method, and PLCC and RMSE after mappings.

    A mapping is fitted anew to each resample, the line exactly, a logistic by one Gauss-Newton step from the fit to all
    images (Davidson and MacKinnon, International Economic Review 40, 1999): after it the squared error of a resample
    with weights W is r'Wr - (Q'Wr)' (Q'WQ)^-1 (Q'Wr), with r the residuals and Q a basis of the curve's tangent.

    Args:
        predictions: shape (N,), finite.
        mos: shape (N,), finite.
        std: standard deviations of the ratings, shape (N,), or None.
        mappings: fitted to all images.
    """

    def __init__(
        self, predictions: FloatArray, mos: FloatArray, std: FloatArray | None, mappings: Sequence[FittedMapping]
    ) -> None:
        x, y, error = predictions - predictions.mean(), mos - mos.mean(), np.abs(predictions - mos)
        # squares of deviations below the rounding of the values themselves are no variance
        self._floor_x, self._floor_y = _rounding(predictions), _rounding(mos)
        outliers = np.zeros_like(error) if std is None else (error > 2 * std).astype(np.float64)
        columns = [np.stack([x, y, x * x, y * y, x * y, error**2, error, outliers], axis=1)]
        self._ranks = []
        for mapping in mappings:
            basis, residual = tangent(mapping, predictions) * len(x) ** 0.5, mos - mapping(predictions)
            rank = basis.shape[1]
            products = np.einsum("ni,nj->nij", basis, basis).reshape(len(x), rank * rank)
            columns += [products, basis * residual[:, np.newaxis], residual[:, np.newaxis] ** 2]
            self._ranks.append(rank)
        self._features = np.concatenate(columns, axis=1)
        self._with_outliers = std is not None
        after = [f"{figure}_{mapping.name}" for mapping in mappings for figure in ("PLCC", "RMSE")]
        self.names = ("PLCC", "RMSE", "MAE", *(("outlier_ratio",) if self._with_outliers else ()), *after)

    def resampled(self, counts: Counts) -> FloatArray:
        """Every figure on each resample, shape (figures, resamples)."""
        return self._figures((counts.astype(np.float64) @ self._features / counts.shape[1]).T)

    def left_out(self) -> FloatArray:
        """Every figure without each image, shape (figures, N)."""
        n = len(self._features)
        return self._figures(((self._features.sum(axis=0) - self._features) / (n - 1)).T)

    def _figures(self, means: FloatArray) -> FloatArray:
        x, y, xx, yy, xy, squared, absolute, outliers = means[:8]
        variance_x, variance_y = xx - x * x, yy - y * y
        with np.errstate(divide="ignore", invalid="ignore"):
            plcc = (xy - x * y) / np.sqrt(variance_x * variance_y)
        plcc[(variance_x <= self._floor_x) | (variance_y <= self._floor_y)] = np.nan
        figures = [np.clip(plcc, -1, 1), np.sqrt(squared), absolute]
        if self._with_outliers:
            figures.append(outliers)
        start = 8
        for rank in self._ranks:
            after = self._error_after_step(means[start : start + rank * rank + rank + 1], rank)
            start += rank * rank + rank + 1
            with np.errstate(divide="ignore", invalid="ignore"):
                explained = 1 - after / variance_y
            explained[variance_y <= self._floor_y] = np.nan
            figures += [np.sqrt(np.clip(explained, 0, 1)), np.sqrt(np.maximum(after, 0))]
        return np.stack(figures)

    def _error_after_step(self, means: FloatArray, rank: int) -> FloatArray:
        """Mean squared error after one Gauss-Newton step, by resample."""
        products = means[: rank * rank].T.reshape(-1, rank, rank)
        gradient = means[rank * rank : -1].T[:, :, np.newaxis]
        step = np.linalg.pinv(products, rcond=1e-10, hermitian=True) @ gradient
        return np.asarray(means[-1] - np.einsum("rio,rio->r", gradient, step))


def _rounding(values: FloatArray) -> float:
    return float((4 * np.finfo(np.float64).eps * np.abs(values).max()) ** 2)
