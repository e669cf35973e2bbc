"""Oracles: the single metrics, and examples worked by hand."""

import json
import math

import numpy as np
import pytest

from linearityiqa.metrics import (
    MAPPINGS,
    Agreement,
    agreement,
    compare,
    compare_over_splits,
    krocc,
    mae,
    mean_interval,
    outlier_ratio,
    plcc,
    rmse,
    spread,
    srocc,
)


def test_agreement_is_the_single_metrics():
    rng = np.random.default_rng(5)
    x, y = rng.uniform(0, 100, 50), rng.uniform(0, 100, 50)
    result = agreement(x, y, np.full(50, 20.0))
    expected = Agreement(
        n=50,
        srocc=srocc(x, y),
        plcc=plcc(x, y),
        krocc=krocc(x, y),
        rmse=rmse(x, y),
        mae=mae(x, y),
        outlier_ratio=float(np.mean(np.abs(x - y) > 40)),
    )
    assert result == expected


def test_without_deviations_there_is_no_outlier_ratio():
    result = agreement([1, 2, 3], [1, 2, 4])
    assert result.outlier_ratio is None
    assert result.as_dict()["outlier_ratio"] is None


def test_figures_have_clear_names_and_are_strict_json():
    figures = agreement([5.0, 5.0], [4.0, 6.0], [0.1, 0.1]).as_dict()
    assert figures == {"SROCC": None, "PLCC": None, "KROCC": None, "RMSE": 1.0, "outlier_ratio": 1.0}
    assert json.loads(json.dumps(figures, allow_nan=False)) == figures


def test_deviations_that_are_all_0_are_unknown():
    found = agreement([1.0, 2.0, 4.0], [1.0, 3.0, 5.0], [0.0, 0.0, 0.0], mappings=["linear"])
    assert found.outlier_ratio is None
    assert found.mapped["linear"].outlier_ratio is None
    assert math.isnan(outlier_ratio([1.0, 2.0], [1.0, 3.0], [0.0, 0.0]))
    assert agreement([1.0, 2.0], [1.0, 3.0], [0.0, 2.0]).outlier_ratio == 0


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("unit", [2.0**-1000, 1e-160, 1e-30, 1e150, 1e300, 2.0**1015])
def test_figures_do_not_depend_on_the_unit_of_the_predictions(unit):
    rng = np.random.default_rng(0)
    mos = rng.uniform(0, 100, 40)
    predictions = mos + rng.normal(0, 9, 40)
    given = {"mappings": MAPPINGS, "resamples": 200}
    expected, found = agreement(predictions, mos, **given), agreement(unit * predictions, mos, **given)
    free = [name for name in expected.figures() if name not in ("RMSE", "MAE", "outlier_ratio")]
    for name in free:
        assert found.figures()[name] == pytest.approx(expected.figures()[name], rel=1e-6), name
        low, high = found.intervals[name].low, found.intervals[name].high
        assert (low, high) == pytest.approx((expected.intervals[name].low, expected.intervals[name].high), rel=1e-4)
    both = agreement(unit * predictions, unit * mos, **given)  # errors are in the unit of the MOS
    for name in ("RMSE", "MAE", "RMSE_logistic5"):
        assert both.figures()[name] / unit == pytest.approx(expected.figures()[name], rel=1e-6), name
        assert both.intervals[name].high / unit == pytest.approx(expected.intervals[name].high, rel=1e-4), name
    pair = compare({"a": unit * predictions, "b": mos[::-1] + predictions}, mos, resamples=200).pairs[0]
    assert pair.differences["PLCC"].better == 1
    assert all(np.isfinite(test.statistic) for test in pair.tests["PLCC"])


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("unit", [1e-300, 1e300])
def test_statistics_over_splits_do_not_depend_on_the_unit(unit):
    figures, others = np.array([0.8, 0.9, 0.7, 0.8]), np.array([0.5, 0.6, 0.6, 0.4])
    assert compare_over_splits(unit * figures, unit * others).p == pytest.approx(compare_over_splits(figures, others).p)
    assert spread(unit * figures).deviation == pytest.approx(unit * spread(figures).deviation)
    assert mean_interval(unit * figures).high == pytest.approx(unit * mean_interval(figures).high)
