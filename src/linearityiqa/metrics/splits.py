"""Two methods over the same repeated splits of a database: is their difference more than chance?"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from linearityiqa.extras import require
from linearityiqa.metrics.correlation import checked


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
    differences = a - b
    mean, deviation, count = float(differences.mean()), float(differences.std(ddof=1)), len(differences)
    wilcoxon = None
    if np.any(differences):
        wilcoxon = float(require("scipy.stats", "metrics").wilcoxon(differences).pvalue)
    if np.ptp(differences) == 0:  # no variance to test against
        return SplitComparison(splits=count, difference=mean, deviation=0.0, p_wilcoxon=wilcoxon)
    t, p = _t_test(mean, deviation, 1 / count, count - 1)
    corrected = None if test_over_train is None else _t_test(mean, deviation, 1 / count + test_over_train, count - 1)[1]
    return SplitComparison(
        splits=count, difference=mean, deviation=deviation, t=t, p=p, p_corrected=corrected, p_wilcoxon=wilcoxon
    )


def _t_test(mean: float, deviation: float, factor: float, freedom: int) -> tuple[float, float]:
    """t and two-sided p of a mean whose variance is `factor` times that of one difference."""
    t = mean / (deviation * math.sqrt(factor))
    return t, float(2 * require("scipy.stats", "metrics").t.sf(abs(t), freedom))


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
    """Mean, median and spread of a figure over splits; None without values, and no deviation (nan) of a single one.

    >>> spread([0.5, 0.7, 0.9]).median
    0.7
    """
    x: NDArray[np.float64] = np.asarray(values, dtype=np.float64)
    if not len(x):
        return None
    deviation = float(x.std(ddof=1)) if len(x) > 1 else float("nan")
    return Spread(
        n=len(x),
        mean=float(x.mean()),
        median=float(np.median(x)),
        deviation=deviation,
        lowest=float(x.min()),
        highest=float(x.max()),
    )
