"""Oracles: the single metrics, and examples worked by hand."""

import json
import math

import numpy as np
import pytest

from linearityiqa.errors import ConfigError, DataError
from linearityiqa.metrics import (
    MAPPINGS,
    Agreement,
    agreement,
    agreement_by_group,
    compare,
    compare_over_splits,
    fit_mapping,
    krocc,
    label_ranges,
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


def labelled(n=60):
    rng = np.random.default_rng(3)
    mos = rng.uniform(0, 100, n)
    groups = [("blur", "noise", "jpeg")[i % 3] for i in range(n)]
    return mos + rng.normal(0, 9, n) + 15 * np.array([g == "blur" for g in groups]), mos, groups


def test_each_group_is_the_agreement_of_its_images():
    x, y, groups = labelled()
    found = agreement_by_group(x, y, groups, np.full(60, 5.0), resamples=100, seed=1)
    assert [one.group for one in found] == ["blur", "noise", "jpeg"]
    for one in found:
        own = [i for i, g in enumerate(groups) if g == one.group]
        assert one.agreement == agreement(x[own], y[own], np.full(20, 5.0), resamples=100, seed=1)
        assert one.bias == pytest.approx(np.mean(x[own] - y[own]))
        assert one.mos == pytest.approx(np.mean(y[own]))
        assert one.n == 20


def test_mapping_is_that_of_all_images():
    x, y, groups = labelled()
    mapped = fit_mapping("linear", x / 7 - 3, y)(x / 7 - 3)
    plain = agreement_by_group(mapped, y, groups)
    for one, other in zip(agreement_by_group(x / 7 - 3, y, groups, mapping="linear"), plain, strict=True):
        assert one.agreement.rmse == pytest.approx(other.agreement.rmse)
        assert one.bias == pytest.approx(other.bias)
    # least squares has no bias over all images, but has one in the group that is favoured
    assert sum(one.n * one.bias for one in plain) == pytest.approx(0, abs=1e-9)
    assert plain[0].bias > 1


def test_a_single_image_has_a_bias_only():
    found = agreement_by_group([1.0, 2.0, 4.0], [1.0, 2.0, 3.0], ["a", "a", "b"])
    assert found[1].agreement is None
    assert (found[1].n, found[1].bias) == (1, 1.0)


def test_ranges_hold_equally_many_images_and_equal_mos_stay_together():
    mos = np.array([5.0, 1, 3, 3, 2, 9, 8, 4])
    assert label_ranges(mos, 2) == [f"{'1 to 3' if value <= 3 else '4 to 9'}" for value in mos]
    many = label_ranges(np.random.default_rng(0).uniform(0, 1, 100), 4)
    assert sorted(many.count(name) for name in set(many)) == [25, 25, 25, 25]
    assert len(set(label_ranges(np.array([1.0, 1, 1, 1, 2]), 4))) == 2


def test_unusable_groups_are_refused():
    with pytest.raises(DataError, match="groups must be as long"):
        agreement_by_group([1, 2], [1, 2], ["a"])
    with pytest.raises(ConfigError, match="at least 2"):
        label_ranges([1.0, 2.0], 1)
