"""Correlation and error of predictions against mean opinion scores (MOS).

Every function takes two equally long lists of at least 2 finite numbers and raises `DataError` for anything else.
The correlations need the extra `metrics` (SciPy); none of the functions needs torch.
"""

import warnings

import numpy as np
from numpy.typing import ArrayLike, NDArray

from linearityiqa.errors import DataError
from linearityiqa.extras import require
from linearityiqa.mapping import magnitude
from linearityiqa.quality import known_deviations


def srocc(predictions: ArrayLike, mos: ArrayLike) -> float:
    """Spearman rank-order correlation coefficient, in [-1, 1]; tied values share their mean rank.

    Args:
        predictions: predicted quality, shape (N,), any scale.
        mos: subjective scores, shape (N,).

    Returns:
        The coefficient, or nan where either list is constant and ranks nothing.

    >>> round(srocc([1, 2, 3, 4], [10, 30, 20, 40]), 6)
    0.8
    """
    return _correlation("spearmanr", predictions, mos)


def plcc(predictions: ArrayLike, mos: ArrayLike) -> float:
    """Pearson linear correlation coefficient, in [-1, 1].

    Args:
        predictions: predicted quality, shape (N,); a mapping to the scale of MOS changes the coefficient only if it
            is not a rising straight line.
        mos: subjective scores, shape (N,).

    Returns:
        The coefficient, or nan where either list is constant.

    >>> round(plcc([1, 2, 3], [5, 7, 9]), 6)
    1.0
    """
    return _correlation("pearsonr", predictions, mos)


def krocc(predictions: ArrayLike, mos: ArrayLike) -> float:
    """Kendall rank-order correlation coefficient (tau-b, which corrects for ties), in [-1, 1].

    Args:
        predictions: predicted quality, shape (N,), any scale.
        mos: subjective scores, shape (N,).

    Returns:
        The coefficient, or nan where either list is constant and ranks nothing.

    >>> round(krocc([1, 2, 3, 4], [10, 30, 20, 40]), 6)
    0.666667
    """
    return _correlation("kendalltau", predictions, mos)


def rmse(predictions: ArrayLike, mos: ArrayLike) -> float:
    """Root mean square error, in units of the MOS.

    Args:
        predictions: predicted quality, mapped to the scale of `mos`, shape (N,).
        mos: subjective scores, shape (N,).

    >>> rmse([10, 20], [12, 18])
    2.0
    """
    x, y = checked(predictions=predictions, mos=mos)
    unit = magnitude(x - y)
    return unit * float(np.sqrt(np.mean(((x - y) / unit) ** 2)))


def mae(predictions: ArrayLike, mos: ArrayLike) -> float:
    """Mean absolute error, in units of the MOS.

    Args:
        predictions: predicted quality, mapped to the scale of `mos`, shape (N,).
        mos: subjective scores, shape (N,).

    >>> mae([10, 20], [12, 16])
    3.0
    """
    x, y = checked(predictions=predictions, mos=mos)
    unit = magnitude(x - y)
    return unit * float(np.mean(np.abs(x - y) / unit))


def outlier_ratio(predictions: ArrayLike, mos: ArrayLike, std: ArrayLike) -> float:
    """Share of predictions farther than two standard deviations from the MOS, in [0, 1].

    nan where every deviation is 0, as some files have it where they are not known.

    Args:
        predictions: predicted quality, mapped to the scale of `mos`, shape (N,).
        mos: subjective scores, shape (N,).
        std: standard deviation of each image's ratings, on the scale of `mos`, shape (N,).

    Raises:
        DataError: also for a negative standard deviation.

    >>> outlier_ratio([10, 20, 30, 41], [10, 24, 35, 40], [2, 2, 2, 2])
    0.25
    """
    x, y, deviation = checked(predictions=predictions, mos=mos, std=std)
    if known_deviations(deviation) is None:
        return float("nan")
    if (deviation < 0).any():
        raise DataError(f"std must be >= 0, got {deviation.min():g} at position {int(deviation.argmin())} (from 0)")
    return float(np.mean(np.abs(x - y) > 2 * deviation))


def checked(**lists: ArrayLike) -> tuple[NDArray[np.float64], ...]:
    """Return the lists as float64 arrays of one length.

    Raises:
        DataError: a list that is not one-dimensional, not of numbers, shorter than 2, not as long as the first, or
            that holds a value that is not finite (its position is named).
    """
    arrays: dict[str, NDArray[np.float64]] = {}
    for name, values in lists.items():
        try:
            arrays[name] = np.asarray(values, dtype=np.float64)
        except (TypeError, ValueError) as cause:
            raise DataError(f"{name} must be a list of numbers: {cause}") from cause
    first, *others = arrays
    length = arrays[first].shape
    if len(length) != 1 or length[0] < 2:
        raise DataError(f"{first} must be one list of at least 2 numbers, got shape {length}")
    for name in others:
        if arrays[name].shape != length:
            raise DataError(f"{name} must be as long as {first}: got shapes {arrays[name].shape} and {length}")
    for name, array in arrays.items():
        bad = np.flatnonzero(~np.isfinite(array))
        if len(bad):
            raise DataError(f"{name} holds {array[bad[0]]} at position {bad[0]} (from 0): every value must be finite")
    return tuple(arrays.values())


def _correlation(function: str, predictions: ArrayLike, mos: ArrayLike) -> float:
    x, y = checked(predictions=predictions, mos=mos)
    stats = require("scipy.stats", "metrics")
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return float("nan")
    with warnings.catch_warnings():
        # lists that are constant but for rounding: the value is returned all the same
        warnings.simplefilter("ignore", stats.NearConstantInputWarning)
        return float(getattr(stats, function)(x / magnitude(x), y / magnitude(y)).statistic)
