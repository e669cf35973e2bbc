"""Oracles: the single metrics, and examples worked by hand."""

import dataclasses
import json
import math

import numpy as np
import pytest

from linearityiqa.errors import DataError
from linearityiqa.metrics import Agreement, agreement, krocc, mae, outlier_ratio, plcc, rmse, srocc


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


def test_constant_predictions_have_nan_correlations_but_an_error():
    result = agreement([5.0, 5.0], [4.0, 6.0])
    assert math.isnan(result.srocc)
    assert math.isnan(result.plcc)
    assert math.isnan(result.krocc)
    assert result.rmse == 1


def test_result_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        agreement([1, 2], [1, 2]).n = 3


def test_unequal_lengths_are_refused():
    with pytest.raises(DataError, match="as long as"):
        agreement([1, 2, 3], [1, 2])


def test_deviations_that_are_all_0_are_unknown():
    found = agreement([1.0, 2.0, 4.0], [1.0, 3.0, 5.0], [0.0, 0.0, 0.0], mappings=["linear"])
    assert found.outlier_ratio is None
    assert found.mapped["linear"].outlier_ratio is None
    assert math.isnan(outlier_ratio([1.0, 2.0], [1.0, 3.0], [0.0, 0.0]))
    assert agreement([1.0, 2.0], [1.0, 3.0], [0.0, 2.0]).outlier_ratio == 0
