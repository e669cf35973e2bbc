"""SROCC and KROCC of thousands of resamples, without sorting a resample."""

import numpy as np

from linearityiqa.metrics.concordance import Concordance
from linearityiqa.metrics.resampling import Counts, FloatArray


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

    def left_out(self) -> FloatArray:
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
        """What holds for each group, for each image: (resamples, groups) -> (resamples, N)."""
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
