"""Splits by reference: images made from one reference belong to one split."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

SPLITS = ("train", "val", "test")
"""Names of the parts of a database, in the order in which they are cut."""


def split_by_reference(
    references: Sequence[str], train_ratio: float, train_and_val_ratio: float, seed: int, exp_id: int
) -> dict[str, NDArray[np.int64]]:
    """Random split of a database in which no reference has images in two parts.

    The distinct references, sorted, are permuted by ``default_rng([seed, exp_id])``; the first
    ``int(train_ratio * R)`` of R are for training, those up to ``int(train_and_val_ratio * R)`` for validation, the
    rest for testing. So the split does not depend on the order of the rows.

    Args:
        references: the reference of each image; where every image is its own, its name.
        train_ratio: share of the references for training, in 0..1.
        train_and_val_ratio: share for training and validation together, in train_ratio..1.
        seed: seed of all random splits of an experiment, >= 0.
        exp_id: number of this split, >= 0.

    Returns:
        Rows of each part, ascending.

    >>> parts = split_by_reference(["a", "a", "b", "b", "c", "c"], 1 / 3, 2 / 3, seed=0, exp_id=0)
    >>> [len(rows) for rows in parts.values()]
    [2, 2, 2]
    """
    distinct = {reference: code for code, reference in enumerate(sorted(set(references)))}
    codes = np.fromiter((distinct[reference] for reference in references), dtype=np.int64, count=len(references))
    order = np.random.default_rng([seed, exp_id]).permutation(len(distinct))
    return rows_by_order(codes, order, train_ratio, train_and_val_ratio)


def rows_by_order(
    references: NDArray[np.generic], order: NDArray[np.generic], train_ratio: float, train_and_val_ratio: float
) -> dict[str, NDArray[np.int64]]:
    """Cut an ordered list of references into the three parts, and give the rows whose reference falls into each.

    Args:
        references: the reference of each image, shape (N,).
        order: the distinct references in the order in which they are cut, shape (R,).
        train_ratio: the first ``int(train_ratio * R)`` references are for training.
        train_and_val_ratio: those from there up to ``int(train_and_val_ratio * R)`` are for validation, the rest for
            testing.

    Returns:
        Rows of each part, ascending.
    """
    # int() truncates: rounding would move a reference across the border of published splits
    borders = [int(train_ratio * len(order)), int(train_and_val_ratio * len(order))]
    parts = np.split(order, borders)
    return {name: np.flatnonzero(np.isin(references, part)) for name, part in zip(SPLITS, parts, strict=True)}
