"""Oracles: scikit-learn's ROC, and J.149's procedure written as its text has it."""

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from linearityiqa.errors import DataError
from linearityiqa.metrics import analyse_pairs


def rated(n=60, noise=10.0, seed=0):
    rng = np.random.default_rng(seed)
    mos = rng.uniform(0, 100, n).round(1)
    return mos + rng.normal(0, noise, n).round(0), mos, rng.uniform(10, 25, n), rng.integers(15, 40, n)


def all_pairs(x, y, std, ratings):
    i, j = np.triu_indices(len(x), 1)
    z = (y[i] - y[j]) / np.sqrt(std[i] ** 2 / ratings[i] + std[j] ** 2 / ratings[j])
    return x[i] - x[j], z


def test_areas_are_scikit_learns():
    x, y, std, ratings = rated()
    found = analyse_pairs(x, y, std, ratings)
    gap, z = all_pairs(x, y, std, ratings)
    different = np.abs(z) > 1.959964
    assert (found.pairs, found.different) == (60 * 59 // 2, int(different.sum()))
    assert found.auc_different_similar == pytest.approx(roc_auc_score(different, np.abs(gap)), abs=1e-12)
    both = np.concatenate([gap[different], -gap[different]]), np.concatenate([z[different] > 0, z[different] < 0])
    assert found.auc_better_worse == pytest.approx(roc_auc_score(both[1], both[0]), abs=1e-12)
    assert found.correct == pytest.approx(np.mean(gap[different] * z[different] > 0), abs=1e-12)


def resolving_power(gap, z, wanted):
    """ITU-T J.149: mean Phi(z) in overlapping windows, read off where it comes up through the wanted confidence."""
    confidence = norm.cdf(np.where(gap < 0, -z, z))
    gap = np.abs(gap)
    width = (gap.max() - gap.min()) / 10
    centres, means = [], []
    for k in range(19):
        low = gap.min() + k * width / 2
        inside = (gap >= low) & ((gap < low + width) if k < 18 else (gap <= gap.max()))
        centres.append(low + width / 2)
        means.append(confidence[inside].mean())
    at = max(k for k in range(19) if means[k] < wanted)
    return np.interp(wanted, means[at : at + 2], centres[at : at + 2])


@pytest.mark.parametrize("wanted", [0.95, 0.75])
def test_resolving_power_follows_j149(wanted):
    x, y, std, ratings = rated(noise=14.0)
    x = x + np.random.default_rng(9).uniform(0, 1e-3, len(x))  # no difference falls on a window's edge
    found = analyse_pairs(x, y, std, ratings).resolving_power
    assert found[wanted] == pytest.approx(resolving_power(*all_pairs(x, y, std, ratings), wanted), rel=1e-9)


def test_better_predictions_resolve_finer_differences():
    fine, coarse = (analyse_pairs(*rated(noise=noise)) for noise in (3.0, 20.0))
    assert fine.resolving_power[0.95] < coarse.resolving_power[0.95]
    assert fine.auc_better_worse > coarse.auc_better_worse
    assert fine.auc_different_similar > coarse.auc_different_similar


def test_predictions_that_fall_are_turned():
    x, y, std, ratings = rated()
    assert analyse_pairs(-x, y, std, ratings) == analyse_pairs(x, y, std, ratings)


def test_no_different_pair_leaves_no_figure():
    found = analyse_pairs([1.0, 2.0, 3.0], [1.0, 1.1, 1.2], [50.0] * 3, 4)
    assert (found.different, found.auc_different_similar, found.auc_better_worse, found.correct) == (
        0,
        None,
        None,
        None,
    )
    assert found.resolving_power == {0.95: None, 0.75: None}


def test_of_many_pairs_a_draw_without_repetition_is_close(monkeypatch):
    x, y, std, ratings = rated(200)
    whole = analyse_pairs(x, y, std, ratings)
    monkeypatch.setattr("linearityiqa.metrics.pairs.MAX_PAIRS", 6000)
    drawn = analyse_pairs(x, y, std, ratings, seed=1)
    assert drawn.pairs == 6000
    assert drawn.auc_better_worse == pytest.approx(whole.auc_better_worse, abs=0.01)
    # all but one of the pairs: every pair number leads to a pair of its own
    monkeypatch.setattr("linearityiqa.metrics.pairs.MAX_PAIRS", 200 * 199 // 2 - 1)
    assert analyse_pairs(x, y, std, ratings).different - whole.different in (0, -1)


@pytest.mark.parametrize(
    ("std", "ratings", "level"), [([1.0, -1.0, 1.0], 5, 0.05), ([1.0] * 3, 0, 0.05), ([1.0] * 3, 5, 1.5)]
)
def test_unusable_ratings_are_refused(std, ratings, level):
    with pytest.raises(DataError, match="standard deviations >= 0"):
        analyse_pairs([1.0, 2, 3], [1.0, 2, 3], std, ratings, level=level)
