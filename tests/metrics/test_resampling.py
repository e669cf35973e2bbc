"""Oracles: SciPy's bootstrap on the same resamples, and mappings fitted wholly to each resample."""

import numpy as np
import pytest
import scipy.stats

from linearityiqa.errors import ConfigError
from linearityiqa.metrics import MAPPINGS, agreement, fit_mapping, rmse, srocc
from linearityiqa.metrics.resampling import MomentStatistics, draw


def sample(n, seed=0, decimals=6):
    rng = np.random.default_rng(seed)
    mos = rng.normal(50, 10, n).round(decimals)
    return (mos + rng.normal(0, 6, n)).round(decimals), mos


# predictions that saturate ask logistic4 for the limit of its width; log predictions for a real bend
@pytest.mark.parametrize("name", ["logistic4", "logistic5"])
@pytest.mark.parametrize("bend", [lambda y: 1 / (1 + np.exp((50 - y) / 10)), lambda y: np.log(y + 5) / 4])
def test_a_logistic_refitted_in_one_step_is_close_to_one_refitted_wholly(name, bend):
    rng = np.random.default_rng(2)
    y = rng.uniform(0, 100, 300)
    x = bend(y) + rng.normal(0, 0.06, 300)
    statistic = MomentStatistics(x, y, None, [fit_mapping(name, x, y)])
    (resamples,) = draw(300, 12, 1)
    quick = statistic.resampled(resamples)[statistic.names.index(f"RMSE_{name}")]
    whole = []
    for images in resamples:
        whole.append(rmse(fit_mapping(name, x[images], y[images])(x[images]), y[images]))
    assert np.abs(quick - whole).max() < 0.15 * np.std(whole)


@pytest.mark.parametrize(
    ("figure", "function"),
    [
        ("SROCC", lambda x, y: scipy.stats.spearmanr(x, y)[0]),
        ("PLCC", lambda x, y: scipy.stats.pearsonr(x, y)[0]),
        ("KROCC", lambda x, y: scipy.stats.kendalltau(x, y)[0]),
        ("RMSE", lambda x, y: np.sqrt(np.mean((x - y) ** 2))),
        ("MAE", lambda x, y: np.mean(np.abs(x - y))),
        ("outlier_ratio", lambda x, y: np.mean(np.abs(x - y) > 10)),
        ("RMSE_linear", lambda x, y: np.sqrt(np.mean((np.polyval(np.polyfit(x, y, 1), x) - y) ** 2))),
        ("PLCC_linear", lambda x, y: abs(scipy.stats.pearsonr(x, y)[0])),
    ],
)
def test_interval_equals_scipy_bootstrap_with_the_same_resamples(figure, function):
    x, y = sample(35, decimals=0)
    expected = scipy.stats.bootstrap(
        (x, y),
        function,
        paired=True,
        vectorized=False,
        n_resamples=200,
        method="BCa",
        confidence_level=0.9,
        rng=np.random.default_rng(7),
    ).confidence_interval
    options = {"mappings": ["linear"], "resamples": 200, "confidence": 0.9, "seed": 7}
    found = agreement(x, y, np.full(35, 5.0), **options).intervals[figure]
    assert (found.low, found.high) == pytest.approx(tuple(expected), abs=1e-9)
    assert found.confidence == 0.9


def test_resamples_depend_on_the_seed_alone():
    x, y = sample(50)
    first, again = (agreement(x, y, resamples=100, seed=3).intervals for _ in range(2))
    assert first == again
    assert first != agreement(x, y, resamples=100, seed=4).intervals


def test_few_or_constant_values_have_no_interval_and_say_so():
    few = agreement([1, 2, 3], [1, 3, 2], resamples=100)
    assert set(few.intervals.values()) == {None}
    assert any("no intervals for 3 images" in note for note in few.notes)
    constant = agreement(np.ones(20), np.arange(20.0), resamples=100, mappings=MAPPINGS)
    assert constant.intervals["SROCC"] is None
    assert constant.intervals["RMSE"] is not None
    assert constant.mapped == {}
    assert any("predictions are constant" in note for note in constant.notes)


def test_perfect_predictions_have_an_interval_of_one_point():
    found = agreement(np.arange(30.0), np.arange(30.0), resamples=100).intervals["SROCC"]
    assert (found.low, found.high) == pytest.approx((1, 1), abs=1e-12)
    assert srocc(np.arange(30.0), np.arange(30.0)) == 1


@pytest.mark.parametrize("options", [{"resamples": 10}, {"resamples": 200, "confidence": 1.0}])
def test_numbers_that_make_no_interval_are_refused(options):
    with pytest.raises(ConfigError):
        agreement([1, 2, 3, 4], [1, 2, 3, 5], **options)
