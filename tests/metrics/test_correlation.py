"""Oracles: examples worked by hand, SciPy's functions, and identities of the coefficients."""

import math
import subprocess
import sys
import warnings

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from linearityiqa.errors import DataError, MissingExtraError
from linearityiqa.metrics import krocc, outlier_ratio, plcc, rmse, srocc

MOS = [1.0, 2.0, 3.0, 4.0, 5.0]
CORRELATIONS = [srocc, plcc, krocc]


def test_rmse_by_hand():
    assert rmse([1, 2, 3, 4], [1, 2, 3, 8]) == pytest.approx(2.0, abs=1e-12)


def test_outlier_ratio_by_hand_counts_errors_beyond_two_deviations_only():
    # errors 0, 2 (on the limit), 3, 5 with deviations 1, 1, 1, 3
    assert outlier_ratio([10, 12, 13, 15], [10, 10, 10, 10], [1, 1, 1, 3]) == 0.25


@pytest.mark.parametrize(
    ("ours", "reference"),
    [(srocc, scipy.stats.spearmanr), (plcc, scipy.stats.pearsonr), (krocc, scipy.stats.kendalltau)],
)
def test_correlations_equal_scipy(ours, reference):
    rng = np.random.default_rng(3)
    x, y = rng.standard_normal(200).round(1), rng.standard_normal(200).round(1)
    assert ours(x, y) == pytest.approx(reference(x, y).statistic, abs=1e-12)
    assert ours(x.astype(np.float32), list(y)) == pytest.approx(ours(x, y), abs=1e-7)


@given(st.lists(st.tuples(st.integers(-50, 50), st.integers(-50, 50)), min_size=2, max_size=30))
def test_rank_correlations_ignore_rising_curves_and_turn_with_falling_ones(pairs):
    x, y = np.array(pairs, dtype=float).T
    for correlation in (srocc, krocc):
        value = correlation(x, y)
        assert correlation(np.arctan(x), y) == pytest.approx(value, abs=1e-12, nan_ok=True)
        assert correlation(-x, y) == pytest.approx(-value, abs=1e-12, nan_ok=True)


@pytest.mark.parametrize("correlation", CORRELATIONS)
@pytest.mark.parametrize(("x", "y"), [([5, 5, 5], [1, 2, 3]), ([1, 2, 3], [5, 5, 5]), ([0, 0], [0, 0])])
def test_constant_lists_quietly_give_nan(correlation, x, y):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert math.isnan(correlation(x, y))


@pytest.mark.parametrize("correlation", CORRELATIONS)
def test_lists_constant_but_for_rounding_are_quiet(correlation):
    almost = 0.1 + np.array([0, 1, 0, 2, 1]) * 1.4e-17
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        value = correlation(almost, MOS)
    assert math.isnan(value) or -1 <= value <= 1


@pytest.mark.parametrize("metric", [*CORRELATIONS, rmse])
@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        ([1.0], [1.0], "at least 2"),
        ([], [], "at least 2"),
        ([1.0, 2.0], [1.0, 2.0, 3.0], "as long as predictions"),
        ([[1.0, 2.0]], [[1.0, 2.0]], "one list"),
        (1.0, 2.0, "one list"),
        ([1.0, math.nan], [1.0, 2.0], "predictions holds nan at position 1"),
        ([1.0, 2.0], [math.inf, 2.0], "mos holds inf at position 0"),
        (["a", "b"], [1.0, 2.0], "predictions must be a list of numbers"),
        ([[1.0], [1.0, 2.0]], [1.0, 2.0], "predictions must be a list of numbers"),
    ],
)
def test_unusable_lists_are_refused_by_name(metric, x, y, message):
    with pytest.raises(DataError, match=message):
        metric(x, y)


@pytest.mark.parametrize(
    ("std", "message"),
    [([1.0], "std must be as long"), ([1.0, math.nan], "std holds nan"), ([1.0, -2.0], "std must be >= 0, got -2")],
)
def test_unusable_deviations_are_refused(std, message):
    with pytest.raises(DataError, match=message):
        outlier_ratio([1.0, 2.0], [1.0, 2.0], std)


def test_without_scipy_the_extra_is_named_and_rmse_works(monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy.stats", None)
    assert rmse([1, 2], [1, 2]) == 0
    with pytest.raises(MissingExtraError, match=r"linearityiqa\[metrics\]"):
        srocc([1, 2], [1, 2])


def test_neither_torch_nor_anything_of_the_train_extra_is_imported():
    code = (
        "import sys, linearityiqa.metrics as m; m.agreement([1, 2], [1, 2]); "
        "sys.exit(bool({'torch', 'torchvision', 'h5py'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
