"""Splits by reference: images made from one reference belong to one split, and parts may be balanced in MOS."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from linearityiqa.errors import DataError

SPLITS = ("train", "val", "test")
"""Names of the parts of a database, in the order in which they are cut."""


def split_names(splits: Mapping[str, NDArray[np.int64]], count: int) -> list[str]:
    """Return the split of each of `count` rows, empty for a row in none.

    >>> split_names({"train": np.array([2]), "test": np.array([0])}, 3)
    ['test', '', 'train']
    """
    names = [""] * count
    for name, rows in splits.items():
        for row in rows:
            names[row] = name
    return names


def split_by_reference(
    references: Sequence[str], train_ratio: float, train_and_val_ratio: float, seed: int, exp_id: int
) -> dict[str, NDArray[np.int64]]:
    """Split a database at random, so that no reference has images in two parts.

    The distinct references, sorted, are permuted by ``default_rng([seed, exp_id])``; the first
    ``int(train_ratio * R)`` of R are for training, those up to ``int(train_and_val_ratio * R)`` for validation, the
    rest for testing. The split does not depend on the order of the rows.

    Args:
        references: the reference of each image; its name if it has no other.
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
    """Return the rows of each part, ascending, after cutting the distinct references as `split_by_reference` does.

    `references` has the reference of each image, shape (N,), `order` the distinct ones as they are cut, shape (R,).
    """
    # int() truncates: rounding would move a reference across the border of published splits
    borders = [int(train_ratio * len(order)), int(train_and_val_ratio * len(order))]
    parts = np.split(order, borders)
    return {name: np.flatnonzero(np.isin(references, part)) for name, part in zip(SPLITS, parts, strict=True)}


def share_out(
    values: NDArray[np.float64], sizes: Sequence[int], stratum: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Assign items to parts of given sizes, at random and balanced in a value; return the part of each, shape (N,).

    The items are sorted by value (equal ones in random order) and taken in strata of neighbours. In each, the parts
    get the shares that bring them closest to their sizes, and chance decides which item goes where. So among the items
    up to any stratum, no part exceeds its due share by a whole item.

    >>> parts = share_out(np.arange(6.0), [4, 2], 3, np.random.default_rng(0))
    >>> sorted(parts[:3].tolist()), sorted(parts[3:].tolist())
    ([0, 0, 1], [0, 0, 1])
    """
    count = len(values)
    order = np.lexsort((rng.permutation(count), values))
    wanted = np.asarray(sizes, dtype=np.float64)
    given = np.zeros(len(sizes))
    parts = np.empty(count, dtype=np.int64)
    for start in range(0, count, stratum):
        members = order[start : start + stratum]
        due = wanted * (start + len(members)) / count
        shares = []
        for _ in members:
            part = int(np.argmax(due - given))  # the one that lags most; its lag is positive, so no part overshoots
            given[part] += 1
            shares.append(part)
        parts[members] = rng.permutation(shares)
    return parts


def stratified_splits(
    references: Sequence[str],
    mos: NDArray[np.float64],
    sizes: Sequence[float],
    stratum: int,
    rng: np.random.Generator,
) -> list[NDArray[np.int64]]:
    """Return the rows of parts with disjoint references, balanced in the mean MOS of these.

    `sizes` are the shares of the parts in the references, with sum 1; `stratum` references are assigned at a time.
    """
    distinct, codes = np.unique(np.asarray(references), return_inverse=True)
    count = len(distinct)
    if count < len(sizes):
        raise DataError(f"{count} references cannot be split into {len(sizes)} parts. Make fewer, or name more.")
    means = np.bincount(codes, weights=mos) / np.bincount(codes)
    # int() truncates, as everywhere a split is cut; the sum is rounded first, because .6 + .2 is less than .8
    borders = [int(round(share, 9)) for share in np.cumsum(sizes) * count]
    parts = share_out(means, np.diff([0, *borders]).tolist(), stratum, rng)
    return [np.flatnonzero(parts[codes] == part) for part in range(len(sizes))]


def split_by_ratio(
    references: Sequence[str],
    mos: NDArray[np.float64],
    train_ratio: float,
    train_and_val_ratio: float,
    stratum: int,
    rng: np.random.Generator,
) -> dict[str, NDArray[np.int64]]:
    """Return the rows of the training, validation and test set, as `stratified_splits`."""
    sizes = [train_ratio, train_and_val_ratio - train_ratio, 1 - train_and_val_ratio]
    return dict(zip(SPLITS, stratified_splits(references, mos, sizes, stratum, rng), strict=True))


def split_into_folds(
    references: Sequence[str], mos: NDArray[np.float64], folds: int, stratum: int, rng: np.random.Generator
) -> list[dict[str, NDArray[np.int64]]]:
    """Return a split for each fold, which is its test set; the next fold is its validation set."""
    rows = stratified_splits(references, mos, [1 / folds] * folds, max(stratum, folds), rng)
    splits = []
    for test in range(folds):
        val = (test + 1) % folds
        train = np.sort(np.concatenate([rows[part] for part in range(folds) if part not in (test, val)]))
        splits.append({"train": train, "val": rows[val], "test": rows[test]})
    return splits


def validation_split(
    references: Sequence[str],
    mos: NDArray[np.float64],
    test: NDArray[np.int64],
    barred: NDArray[np.bool_],
    share: float,
    stratum: int,
    rng: np.random.Generator,
) -> dict[str, NDArray[np.int64]]:
    """Cut a validation set from the images outside the test set; return the rows of all three, ascending.

    The references are sorted by mean MOS and taken in strata of neighbours. In each, references drawn at random are
    taken for validation until it has its share of the images up to there. So its MOS are distributed like those of all
    images outside the test set, even if the barred ones are of another kind.

    Args:
        references: the reference of each image.
        mos: score of each image, shape (N,).
        test: rows of the test set.
        barred: images whose references are for training only, shape (N,).
        share: share of the images outside the test set, in 0..1; met up to the images of one reference.
        stratum: references drawn from at a time.
        rng: random generator.
    """
    held = np.zeros(len(references), dtype=bool)
    held[test] = True
    rows = np.flatnonzero(~held)
    distinct, codes = np.unique(np.asarray(references)[rows], return_inverse=True)
    images = np.bincount(codes)
    kept = np.bincount(codes, weights=barred[rows]) > 0
    order = np.lexsort((rng.permutation(len(distinct)), np.bincount(codes, weights=mos[rows]) / images))
    chosen = np.zeros(len(distinct), dtype=bool)
    due = given = 0.0
    for start in range(0, len(order), stratum):
        members = order[start : start + stratum]
        due += share * images[members].sum()
        for member in rng.permutation(members[~kept[members]]):
            if given < due:
                chosen[member] = True
                given += images[member]
    if not chosen.any() or chosen.all():
        raise DataError(
            f"a share of {share:g} of {len(distinct)} references, {int(kept.sum())} of them bound to training, leaves "
            f"nothing for {'training' if chosen.any() else 'validation'}. Ask for another share."
        )
    return {"train": rows[~chosen[codes]], "val": rows[chosen[codes]], "test": np.flatnonzero(held)}
