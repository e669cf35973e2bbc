"""Tests of two correlations with the same variable, measured on the same images; Holm's correction.

Two methods' correlations with one MOS are not independent: both rest on the same images, and the methods agree with
each other. The tests below take that agreement into account. They assume normally distributed values, which opinion
scores are not; the paired bootstrap of `compare` assumes no distribution. For SROCC they are applied to the ranks.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from linearityiqa.errors import DataError
from linearityiqa.extras import require


@dataclass(frozen=True, kw_only=True)
class DependentTest:
    """A two-sided test of equal correlations.

    Attributes:
        name: who it is called after.
        statistic: t or z; positive where the first correlation is the higher one.
        p: its p-value.
    """

    name: str
    statistic: float
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
    """The Z of Meng, Rosenthal and Rubin (Psych. Bull. 111, 1992, eq. 1).

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
    """Holm's adjusted p-values (Scandinavian J. Statistics 6, 1979), in the order given.

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
    """Determinant of the three correlations' matrix."""
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
    """Fisher's transformation; a perfect correlation stays finite."""
    return math.atanh(max(-1 + 1e-15, min(1 - 1e-15, correlation)))


def _over(numerator: float, denominator: float) -> float:
    """The ratio; 0 / 0 is 0: two methods that are the same do not differ."""
    if numerator == 0:
        return 0.0
    return numerator / denominator if denominator > 0 else math.copysign(math.inf, numerator)
