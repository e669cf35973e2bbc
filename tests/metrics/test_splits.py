"""Oracles: scipy's paired tests, and the formula of the correction on a worked case."""

import math

import numpy as np
import pytest
import scipy.stats

from linearityiqa.errors import DataError
from linearityiqa.metrics.splits import compare_over_splits, spread

OURS = [0.84, 0.86, 0.81, 0.88, 0.85]
OTHER = [0.82, 0.86, 0.80, 0.83, 0.84]


def test_paired_t_is_scipys():
    expected = scipy.stats.ttest_rel(OURS, OTHER)
    found = compare_over_splits(OURS, OTHER)
    assert (found.t, found.p) == pytest.approx((expected.statistic, expected.pvalue), rel=1e-12)


def test_wilcoxon_is_scipys():
    expected = scipy.stats.wilcoxon(np.subtract(OURS, OTHER)).pvalue
    assert compare_over_splits(OURS, OTHER).p_wilcoxon == pytest.approx(expected)


def test_correction_is_nadeau_and_bengios():
    """Oracle: t of their section 5 is the usual one times sqrt((1/K) / (1/K + n_test/n_train))."""
    usual = scipy.stats.ttest_rel(OURS, OTHER).statistic
    t = usual * math.sqrt((1 / 5) / (1 / 5 + 0.25))
    assert compare_over_splits(OURS, OTHER, 0.25).p_corrected == pytest.approx(2 * scipy.stats.t.sf(t, 4), rel=1e-12)


def test_without_test_images_the_correction_is_none_at_all():
    found = compare_over_splits(OURS, OTHER, 0.0)
    assert found.p_corrected == pytest.approx(found.p)


def test_equal_differences_have_no_t_test():
    found = compare_over_splits([0.5, 0.75, 1.0], [0.25, 0.5, 0.75])
    assert (found.difference, found.t, found.p, found.p_corrected) == (0.25, None, None, None)
    assert compare_over_splits([1.0, 2.0], [1.0, 2.0]).p_wilcoxon is None


def test_two_splits_at_least():
    with pytest.raises(DataError):
        compare_over_splits([0.8], [0.7])


def test_spread_is_numpys():
    found = spread(OURS)
    assert (found.n, found.lowest, found.highest) == (5, 0.81, 0.88)
    assert (found.mean, found.median) == pytest.approx((np.mean(OURS), np.median(OURS)))
    assert found.deviation == pytest.approx(np.std(OURS, ddof=1))
    assert spread([]) is None
    assert math.isnan(spread([0.5]).deviation)
