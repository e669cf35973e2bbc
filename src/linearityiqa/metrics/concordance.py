"""Concordant minus discordant pairs of weighted images, for Kendall's tau of thousands of resamples.

With s_ij = sign(x_i - x_j) sign(y_i - y_j), tau of a resample in which image i stands w_i times needs w' s w. Both axes
are cut into about sqrt(N) blocks of consecutive values. Of two images that share a block on neither axis, the sign
follows from their blocks, so a table of weights by pair of blocks counts them; images that share one are compared one
by one, as a small matrix product. That is O(N^1.5) multiplications a resample without sorting anything, where the usual
O(N log N) needs a sort for each.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

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
