"""Oracles: the functions of `metrics` one resample at a time, and Fisher's interval of a normal correlation."""

import math

import numpy as np
import pytest

from linearityiqa import metrics
from linearityiqa.reproduce.bootstrap import _STATISTICS, bootstrap_interval
from linearityiqa.reproduce.compare import Comparison, comparison_table


def sample(n, seed=0):
    rng = np.random.default_rng(seed)
    mos = rng.normal(50, 10, n)
    return mos + rng.normal(0, 6, n), mos


@pytest.mark.parametrize(("name", "one"), [("SROCC", metrics.srocc), ("PLCC", metrics.plcc), ("RMSE", metrics.rmse)])
def test_many_at_once_equals_one_by_one(name, one):
    predicted, mos = sample(40)
    rows = np.random.default_rng(1).integers(0, 40, (5, 40))  # with ties, as resamples have
    expected = [one(predicted[row], mos[row]) for row in rows]
    np.testing.assert_allclose(_STATISTICS[name](predicted[rows], mos[rows], axis=-1), expected, rtol=1e-12)


def test_interval_of_a_normal_correlation_is_fishers():
    predicted, mos = sample(600)
    low, high = bootstrap_interval("PLCC", predicted, mos)
    z, error = math.atanh(metrics.plcc(predicted, mos)), 1.96 / math.sqrt(597)
    assert low == pytest.approx(math.tanh(z - error), abs=0.01)
    assert high == pytest.approx(math.tanh(z + error), abs=0.01)


def test_interval_is_reproducible_and_none_where_there_is_none():
    predicted, mos = sample(50)
    assert bootstrap_interval("SROCC", predicted, mos) == bootstrap_interval("SROCC", predicted, mos)
    assert bootstrap_interval("SROCC", predicted[:3], mos[:3]) is None
    assert bootstrap_interval("SROCC", np.ones(50), mos) is None


def test_comparison_says_whether_the_published_value_is_inside():
    inside = Comparison("PLCC", 0.93, 0.935, "somewhere", (0.92, 0.94))
    outside = Comparison("PLCC", 0.93, 0.95, "somewhere", (0.92, 0.94))
    unknown = Comparison("epoch", 8.0, 10.0, "somewhere")
    assert (inside.inside, outside.inside, unknown.inside) == (True, False, None)
    assert outside.as_dict()["difference"] == pytest.approx(-0.02)
    assert [row[5] for row in comparison_table([inside, outside, unknown]).rows] == ["yes", "no", None]
