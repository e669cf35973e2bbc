"""Tests of whether two methods differ: two correlations on the same images, or one figure over repeated splits."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from linearityiqa.errors import DataError
from linearityiqa.extras import require
from linearityiqa.mapping import magnitude
from linearityiqa.metrics.correlation import checked
from linearityiqa.metrics.resampling import Interval


@dataclass(frozen=True, kw_only=True)
class DependentTest:
    """A two-sided test of equal correlations, by the name of its authors."""

    name: str
    statistic: float
    """t or z; positive where the first correlation is the higher one."""
    p: float


def williams(first: float, second: float, between: float, n: int) -> DependentTest:
    """Williams' t of two correlations with one variable (Williams, JRSS B 21, 1959; Steiger, 1980, eq. 7), df n - 3.

    Args:
        first: correlation of the first method with the MOS.
        second: of the second method with the MOS.
        between: of the two methods with each other.
        n: number of images, at least 4.

    Raises:
        DataError: correlations that cannot occur together, or fewer than 4 images.

    >>> round(williams(0.4, 0.5, 0.1, 103).statistic, 2)
    -0.89
    """
    determinant = _determinant(first, second, between, n)
    mean = (first + second) / 2
    scale = 2 * determinant * (n - 1) / (n - 3) + mean**2 * (1 - between) ** 3
    t = _over(first - second, math.sqrt(max(scale, 0.0) / ((n - 1) * (1 + between))) if between > -1 else 0.0)
    p = 2 * float(require("scipy.stats", "metrics").t.sf(abs(t), n - 3))
    return DependentTest(name="Williams", statistic=t, p=p)


def steiger(first: float, second: float, between: float, n: int) -> DependentTest:
    """Steiger's Z, with Fisher's transformation and the mean correlation (Steiger, Psych. Bull. 87, 1980, eq. 14).

    Args, Raises: as `williams`.
    """
    _determinant(first, second, between, n)
    square = ((first + second) / 2) ** 2
    covariance = between * (1 - 2 * square) - square * (1 - 2 * square - between**2) / 2
    return _z_test("Steiger", first, second, (2 - 2 * _over(covariance, (1 - square) ** 2)) / (n - 3))


def meng_rosenthal_rubin(first: float, second: float, between: float, n: int) -> DependentTest:
    """Z of Meng, Rosenthal and Rubin (Psych. Bull. 111, 1992, eq. 1).

    Args, Raises: as `williams`.
    """
    _determinant(first, second, between, n)
    square = (first**2 + second**2) / 2
    factor = min(_over(1 - between, 2 * (1 - square)), 1.0)
    return _z_test(
        "Meng-Rosenthal-Rubin", first, second, 2 * (1 - between) * _over(1 - factor * square, 1 - square) / (n - 3)
    )


TESTS: tuple[Callable[[float, float, float, int], DependentTest], ...] = (williams, steiger, meng_rosenthal_rubin)
"""The tests, in the order in which they are shown."""


def holm(p_values: Sequence[float]) -> NDArray[np.float64]:
    """Return Holm's adjusted p-values (Scandinavian J. Statistics 6, 1979), in the order given.

    >>> holm([0.01, 0.04, 0.03]).tolist()
    [0.03, 0.06, 0.06]
    """
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    steps = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(steps, 1.0)
    return adjusted


def _determinant(first: float, second: float, between: float, n: int) -> float:
    """Return the determinant of the three correlations' matrix."""
    if n < 4:
        raise DataError(f"two correlations cannot be compared on {n} images: at least 4 are needed")
    determinant = 1 - first**2 - second**2 - between**2 + 2 * first * second * between
    if max(abs(first), abs(second), abs(between)) > 1 + 1e-12 or not determinant > -1e-9:
        raise DataError(f"no data can have the correlations {first:g}, {second:g} and {between:g}")
    return max(determinant, 0.0)


def _z_test(name: str, first: float, second: float, variance: float) -> DependentTest:
    z = _over(_fisher(first) - _fisher(second), math.sqrt(max(variance, 0.0)))
    return DependentTest(name=name, statistic=z, p=2 * float(require("scipy.special", "metrics").ndtr(-abs(z))))


def _fisher(correlation: float) -> float:
    """Return Fisher's transformation; a perfect correlation stays finite."""
    return math.atanh(max(-1 + 1e-15, min(1 - 1e-15, correlation)))


def _over(numerator: float, denominator: float) -> float:
    """Return the ratio; 0 / 0 is 0: two methods that are the same do not differ."""
    if numerator == 0:
        return 0.0
    return numerator / denominator if denominator > 0 else math.copysign(math.inf, numerator)


@dataclass(frozen=True, kw_only=True)
class SplitComparison:
    """A figure of one method less that of another, split by split.

    Attributes:
        splits: number of splits, K.
        difference: mean difference.
        deviation: standard deviation of the differences (of a sample).
        t: statistic of the paired t-test; None where all differences are equal.
        p: its two-sided p.
        p_corrected: two-sided p of the corrected resampled t-test; None where it cannot be had.
        p_wilcoxon: two-sided p of Wilcoxon's signed-rank test; None where all differences are 0.
    """

    splits: int
    difference: float
    deviation: float
    t: float | None = None
    p: float | None = None
    p_corrected: float | None = None
    p_wilcoxon: float | None = None


def compare_over_splits(ours: ArrayLike, other: ArrayLike, test_over_train: float | None = None) -> SplitComparison:
    """Compare two methods by a figure that each has on every one of K splits.

    The training sets of random splits overlap, so the differences are not independent, and the paired t-test finds
    differences more often than its level says. The corrected resampled t-test (Nadeau and Bengio, Machine Learning
    52, 2003, section 5) widens the variance of the mean from 1 / K to 1 / K + n_test / n_train.

    Args:
        ours: the figure of one method, shape (K,).
        other: that of the other method on the same splits, shape (K,).
        test_over_train: number of test images over the number of training images.

    Raises:
        DataError: fewer than 2 splits, unequal lengths, or a value that is not finite.
        MissingExtraError: SciPy is not installed.

    >>> compare_over_splits([0.8, 0.9, 0.7], [0.7, 0.7, 0.7]).splits
    3
    """
    a, b = checked(ours=ours, other=other)
    stats = require("scipy.stats", "metrics")
    differences = a - b
    count, unit = len(differences), magnitude(differences)
    mean, deviation = unit * float((differences / unit).mean()), unit * float((differences / unit).std(ddof=1))
    wilcoxon = float(stats.wilcoxon(differences).pvalue) if np.any(differences) else None
    if np.ptp(differences) == 0:  # no variance to test against
        return SplitComparison(splits=count, difference=mean, deviation=0.0, p_wilcoxon=wilcoxon)
    t, p = map(float, stats.ttest_1samp(differences / unit, 0.0))
    corrected = None
    if test_over_train is not None:
        corrected = float(2 * stats.t.sf(abs(t) / math.sqrt(1 + count * test_over_train), count - 1))
    return SplitComparison(
        splits=count, difference=mean, deviation=deviation, t=t, p=p, p_corrected=corrected, p_wilcoxon=wilcoxon
    )


@dataclass(frozen=True, kw_only=True)
class Spread:
    """A figure over repeated splits: number of values, mean, median, standard deviation of a sample, extremes."""

    n: int
    mean: float
    median: float
    deviation: float
    lowest: float
    highest: float


def spread(values: ArrayLike) -> Spread | None:
    """Return mean, median and spread of a figure over splits; None without values, nan for the deviation of one value.

    >>> spread([0.5, 0.7, 0.9]).median
    0.7
    """
    x: NDArray[np.float64] = np.asarray(values, dtype=np.float64)
    if not len(x):
        return None
    unit = magnitude(x)
    deviation = unit * float((x / unit).std(ddof=1)) if len(x) > 1 else float("nan")
    return Spread(
        n=len(x),
        mean=unit * float((x / unit).mean()),
        median=float(np.median(x)),
        deviation=deviation,
        lowest=float(x.min()),
        highest=float(x.max()),
    )


def mean_interval(values: ArrayLike, confidence: float = 0.95) -> Interval | None:
    """Return Student's interval of the mean over runs that differ in seed or split; None for fewer than two runs.

    Args:
        values: the figure of each run, shape (K,).
        confidence: nominal coverage, between 0 and 1.

    Raises:
        MissingExtraError: SciPy is not installed.

    >>> mean_interval([0.5]) is None
    True
    """
    found = spread(values)
    if found is None or found.n < 2:
        return None
    quantile = float(require("scipy.stats", "metrics").t.ppf((1 + confidence) / 2, found.n - 1))
    half = quantile * found.deviation / math.sqrt(found.n)
    return Interval(low=found.mean - half, high=found.mean + half, confidence=confidence)
