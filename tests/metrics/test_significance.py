"""Oracles: values that R's psych and cocor document, statsmodels; SciPy's paired tests; a worked case."""

import math

import numpy as np
import pytest
import scipy.stats
from statsmodels.stats.multitest import multipletests

from linearityiqa.errors import DataError
from linearityiqa.metrics import holm, meng_rosenthal_rubin, steiger, williams
from linearityiqa.metrics.significance import compare_over_splits, mean_interval, spread

ALL = [williams, steiger, meng_rosenthal_rubin]

# correlations, printed with 4 digits, and z or t as cocor prints them for two data sets
# (rmcorr's vignette on comparing correlations; a lecture on psychometrics)
COCOR = {
    (0.8066, 0.2383, 0.2255, 177): {"Williams": 9.3823, "Steiger": 8.5460, "Meng-Rosenthal-Rubin": 8.3907},
    (-0.1741, 0.2015, 0.3734, 646): {"Williams": -9.0340, "Steiger": -8.6124, "Meng-Rosenthal-Rubin": -8.5080},
}


@pytest.mark.parametrize("test", ALL)
@pytest.mark.parametrize("case", COCOR)
def test_statistics_are_those_of_cocor(test, case):
    found = test(*case)
    # the second data set's correlations are small, so four digits of them leave three of the statistic
    assert found.statistic == pytest.approx(COCOR[case][found.name], rel=3e-4)
    assert found.p < 1e-4


@pytest.mark.parametrize(
    ("case", "t", "p"),
    [
        ((0.4, 0.5, 0.1, 103), -0.89, 0.37),  # Steiger's case A, r.test(103, .4, .5, .1)
        ((0.5, 0.1, 0.7, 30), 3.38, 0.0022),  # r.test(n = 30, r12 = .5, r13 = .1, r23 = .7)
    ],
)
def test_williams_is_psychs(case, t, p):
    found = williams(*case)
    assert found.statistic == pytest.approx(t, abs=0.005)
    assert found.p == pytest.approx(p, rel=0.02)


@pytest.mark.parametrize("test", ALL)
def test_order_turns_the_sign_only(test):
    one, other = test(0.8, 0.7, 0.9, 50), test(0.7, 0.8, 0.9, 50)
    assert one.statistic == pytest.approx(-other.statistic)
    assert one.p == pytest.approx(other.p)


@pytest.mark.parametrize("test", ALL)
def test_a_method_does_not_differ_from_itself(test):
    assert test(0.7, 0.7, 1.0, 50).p == 1
    assert test(1.0, 1.0, 1.0, 50).p == 1


@pytest.mark.parametrize("test", ALL)
@pytest.mark.parametrize("case", [(0.9, -0.9, 0.9, 50), (0.5, 0.5, 0.5, 3), (1.2, 0.5, 0.5, 50)])
def test_impossible_correlations_and_few_images_are_refused(test, case):
    with pytest.raises(DataError):
        test(*case)


@pytest.mark.parametrize("seed", range(5))
def test_holm_is_statsmodels(seed):
    p = np.random.default_rng(seed).beta(0.3, 1, 12).round(2)  # with ties
    np.testing.assert_allclose(holm(p), multipletests(p, method="holm")[1], atol=1e-12)


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


@pytest.mark.parametrize("confidence", [0.95, 0.8])
def test_the_interval_of_a_mean_is_scipys(confidence):
    found = mean_interval(OURS, confidence)
    low, high = scipy.stats.t.interval(confidence, len(OURS) - 1, loc=np.mean(OURS), scale=scipy.stats.sem(OURS))
    assert (found.low, found.high) == pytest.approx((low, high))
    assert mean_interval([0.5]) is None
    assert mean_interval([]) is None
