"""SROCC, KROCC, PLCC and errors of thousands of resamples, without sorting a resample."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from linearityiqa.metrics.mappings import FittedMapping, tangent
from linearityiqa.metrics.resampling import Counts, FloatArray

Indices = NDArray[np.intp]


class Concordance:
    """The pairs of N images, prepared for weighing.

    Args:
        x: values on one axis, shape (N,), finite.
        y: values on the other.
    """

    def __init__(self, x: FloatArray, y: FloatArray) -> None:
        self._x, self._y = _dense_ranks(x), _dense_ranks(y)
        size = max(16, round(len(x) ** 0.5))
        self._block_x, self._block_y = _blocks(self._x, size), _blocks(self._y, size)
        self._shape = int(self._block_x.max()) + 1, int(self._block_y.max()) + 1
        cells = self._block_x * self._shape[1] + self._block_y
        self._by_cell = np.argsort(cells, kind="stable")
        self._cells, self._cell_starts = np.unique(cells[self._by_cell], return_index=True)
        self._cell_of = cells

    def weighted(self, counts: Counts) -> FloatArray:
        """Concordant minus discordant pairs of each resample: the sum of w_i w_j s_ij over pairs i < j.

        Args:
            counts: weights w, shape (resamples, N).

        Returns:
            Shape (resamples,).
        """
        weights = np.ascontiguousarray(counts.T)  # one image's weights lie together: blocks are gathered by row
        left, right = self._table_products(weights)
        total: FloatArray = np.einsum("abr,abr->r", left, right, dtype=np.float64)
        for images, signs in self._shared_blocks():
            chosen = weights[images]
            total += np.einsum("ir,ir->r", signs @ chosen, chosen, dtype=np.float64)
        return total / 2

    def of_each(self) -> FloatArray:
        """The pairs of each image: the sum of s_ij over j, shape (N,)."""
        ones = np.ones((len(self._x), 1), dtype=np.float32)
        signs_y = _signs(np.arange(self._shape[1]))
        left, _ = self._table_products(ones)
        total: FloatArray = (left[:, :, 0] @ signs_y.T).astype(np.float64).ravel()[self._cell_of]
        for images, signs in self._shared_blocks():
            total[images] += signs.sum(axis=1)
        return total

    def _table_products(self, weights: Counts) -> tuple[Counts, Counts]:
        """With T the table of weights by pair of blocks and S the signs between blocks: S T and T S.

        Their product, summed, is that of T and S T S'; shapes (blocks of x, blocks of y, resamples).
        """
        rows, columns = self._shape
        cells = np.zeros((rows * columns, weights.shape[1]), dtype=np.float32)
        cells[self._cells] = np.add.reduceat(weights[self._by_cell], self._cell_starts, axis=0)
        table = cells.reshape(rows, columns, -1)
        left = (_signs(np.arange(rows)) @ cells.reshape(rows, -1)).reshape(table.shape)
        return left, np.matmul(_signs(np.arange(columns)).T, table)

    def _shared_blocks(self) -> Iterator[tuple[Indices, Counts]]:
        """Images that share a block, and s of their pairs; a pair that shares both blocks comes once."""
        for axis, (ranks, blocks) in enumerate(((self._x, self._block_x), (self._y, self._block_y))):
            order = np.argsort(blocks, kind="stable")
            for images in np.split(order, np.flatnonzero(np.diff(blocks[order])) + 1):
                if ranks[images[0]] == ranks[images].max() == ranks[images].min():
                    continue  # all tied
                signs = _signs(self._x[images]) * _signs(self._y[images])
                if axis:
                    signs[np.equal.outer(self._block_x[images], self._block_x[images])] = 0
                yield images, signs


def _dense_ranks(values: FloatArray) -> Indices:
    """Position of each value among the distinct ones."""
    return np.unique(values, return_inverse=True)[1].astype(np.intp)


def _blocks(ranks: Indices, size: int) -> Indices:
    """Number of each image's block: consecutive values, about `size` images; tied images share a block.

    Many tied images make a block of their own, in which there is nothing to compare.
    """
    counts = np.bincount(ranks)
    starts = np.cumsum(counts) - counts
    large = counts >= size
    begins = np.diff(starts // size, prepend=-1) > 0
    begins |= large
    begins[1:] |= large[:-1]
    return (np.cumsum(begins) - 1)[ranks]


def _signs(values: NDArray[np.intp]) -> Counts:
    """sign(v_i - v_j), shape (n, n)."""
    return np.sign(np.subtract.outer(values, values)).astype(np.float32)


class RankStatistics:
    """SROCC and KROCC (tau-b) of one method.

    Args:
        predictions: shape (N,), finite, any scale.
        mos: shape (N,), finite.
    """

    names = ("SROCC", "KROCC")

    def __init__(self, predictions: FloatArray, mos: FloatArray) -> None:
        self._x, self._y = _TiedGroups(predictions), _TiedGroups(mos)
        self._concordance = Concordance(predictions, mos)

    def resampled(self, counts: Counts) -> FloatArray:
        """Both figures on each resample, shape (2, resamples)."""
        weights = counts.astype(np.float64)
        x, y = self._x.weighted(weights), self._y.weighted(weights)
        ranks_x, ranks_y = self._x.spread(x.ranks), self._y.spread(y.ranks)
        n = weights.shape[1]
        mean = (n + 1) / 2
        covariance = np.einsum("rn,rn,rn->r", weights, ranks_x, ranks_y) - n * mean**2
        pairs = n * (n - 1) / 2
        return np.stack(
            [
                _ratio(covariance, x.square_sum - n * mean**2, y.square_sum - n * mean**2),
                _ratio(self._concordance.weighted(counts), pairs - x.tied_pairs, pairs - y.tied_pairs),
            ]
        )

    def jackknife(self) -> FloatArray:
        """Both figures without each image, shape (2, N), from what the image adds to each sum."""
        x, y = self._x, self._y
        n = len(x.ranks)
        concordant = self._concordance.of_each()
        mean = n / 2  # of the ranks 1 ... N - 1
        shift = (n - 1) * mean**2
        pairs, tied_x, tied_y = (n - 1) * (n - 2) / 2, x.tied_pairs - x.tied + 1, y.tied_pairs - y.tied + 1
        return np.stack(
            [
                _ratio(
                    _rank_products(x, y, concordant) - shift,
                    _rank_products(x, x, n - x.tied) - shift,
                    _rank_products(y, y, n - y.tied) - shift,
                ),
                _ratio(
                    concordant.sum() / 2 - concordant,
                    pairs - tied_x,
                    pairs - tied_y,
                ),
            ]
        )


class _Weighted:
    """Groups of tied images in each resample: their mean ranks, and sums over the images drawn."""

    def __init__(self, weights: FloatArray) -> None:
        self.ranks = np.cumsum(weights, axis=1) - (weights - 1) / 2
        self.square_sum: FloatArray = np.einsum("rg,rg,rg->r", weights, self.ranks, self.ranks)
        self.tied_pairs: FloatArray = (np.einsum("rg,rg->r", weights, weights) - weights.sum(axis=1)) / 2


class _TiedGroups:
    """Values by rising size, tied ones as one group.

    Attributes:
        ranks: mean rank of each image, from 1, shape (N,).
        tied: number of images with each image's value, itself included, shape (N,).
        tied_pairs: pairs of images with equal values.
    """

    def __init__(self, values: FloatArray) -> None:
        _, self._group, sizes = np.unique(values, return_inverse=True, return_counts=True)
        self._order = np.argsort(values, kind="stable")
        self._starts = np.cumsum(sizes) - sizes
        self._distinct = len(sizes) == len(values)
        self.ranks: FloatArray = (self._starts + (sizes + 1) / 2)[self._group]
        self.tied: FloatArray = sizes[self._group].astype(np.float64)
        self.tied_pairs = float((sizes * (sizes - 1) / 2).sum())

    def weighted(self, weights: FloatArray) -> _Weighted:
        """The groups in each resample; weights of shape (resamples, N)."""
        ordered = weights.take(self._order, axis=1)
        return _Weighted(ordered if self._distinct else np.add.reduceat(ordered, self._starts, axis=1))

    def spread(self, of_groups: FloatArray) -> FloatArray:
        """Values of groups as values of their images: (resamples, groups) -> (resamples, N)."""
        return of_groups.take(self._group, axis=1)

    def signed_sum(self, of_images: FloatArray) -> FloatArray:
        """For each image j: the sum over i of sign(value_i - value_j) of_images_i, shape (N,)."""
        sums = np.add.reduceat(of_images[self._order], self._starts)
        up_to = np.cumsum(sums)
        return np.asarray((up_to[-1] - up_to - (up_to - sums))[self._group])


def _rank_products(x: _TiedGroups, y: _TiedGroups, concordant: FloatArray) -> FloatArray:
    """For each image j: the sum over the others of the product of their ranks among the others, shape (N,).

    Without image j the rank of image i falls by (1 + sign(x_i - x_j)) / 2. `concordant` is the sum over i of
    sign(x_i - x_j) sign(y_i - y_j).
    """
    n = len(x.ranks)
    products = x.ranks @ y.ranks - x.ranks * y.ranks
    of_y = (y.ranks.sum() - y.ranks + x.signed_sum(y.ranks)) / 2
    of_x = (x.ranks.sum() - x.ranks + y.signed_sum(x.ranks)) / 2
    ones = np.ones(n)
    of_both = (n - 1 + x.signed_sum(ones) + y.signed_sum(ones) + concordant) / 4
    return np.asarray(products - of_y - of_x + of_both)


def _ratio(product: FloatArray, first: FloatArray, second: FloatArray) -> FloatArray:
    """product / sqrt(first * second); nan where one of them is 0, as for constant values."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = product / np.sqrt(first * second)
    ratio[(first <= 0) | (second <= 0)] = np.nan
    return ratio


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

    def jackknife(self) -> FloatArray:
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
