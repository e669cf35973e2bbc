"""Oracles: curves with known parameters, SciPy's curve_fit, the least-squares line, and identities of least squares."""

import math

import numpy as np
import pytest
from scipy.optimize import curve_fit

from linearityiqa.errors import DataError
from linearityiqa.metrics import MAPPINGS, agreement, fit_mapping, rmse
from linearityiqa.metrics.mappings import tangent


def vqeg(x, b1, b2, b3, b4):
    return b2 + (b1 - b2) / (1 + np.exp(-(x - b3) / abs(b4)))


def sheikh(x, b1, b2, b3, b4, b5):
    return b1 * (0.5 - 1 / (1 + np.exp(b2 * (x - b3)))) + b4 * x + b5


def bent(n=400, noise=4.0, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(0, 1, n)
    return x, vqeg(x, 90, 10, 0.2, 0.5) + rng.normal(0, noise, n)


def test_known_parameters_are_found_again():
    x = np.linspace(-3, 4, 60)
    np.testing.assert_allclose(
        fit_mapping("logistic4", x, vqeg(x, 90, 10, 0.2, 0.5)).parameters, [90, 10, 0.2, 0.5], rtol=1e-5
    )
    np.testing.assert_allclose(
        fit_mapping("logistic5", x, sheikh(x, 50, 2.0, 0.5, 3, 40)).parameters, [50, 2, 0.5, 3, 40], rtol=1e-4
    )


@pytest.mark.parametrize(("name", "formula"), [("logistic4", vqeg), ("logistic5", sheikh)])
def test_fit_is_as_good_as_curve_fit_started_at_the_truth(name, formula):
    start = (90, 10, 0.2, 0.5) if name == "logistic4" else (50, 2, 0.5, 8, 40)
    x, _ = bent()
    y = formula(x, *start) + np.random.default_rng(1).normal(0, 4, len(x))
    parameters, _ = curve_fit(formula, x, y, p0=start)
    found = fit_mapping(name, x, y)
    assert rmse(found(x), y) <= rmse(formula(x, *parameters), y) * (1 + 1e-6)
    np.testing.assert_allclose(found(x), formula(x, *found.parameters), rtol=1e-9)
    assert found.converged


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("n", [7, 60])
def test_logistic5_is_monotonic_and_never_worse_than_the_line_or_logistic4(seed, n):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    shape = [x, -x, np.sin(2 * x), x**2, np.zeros(n), np.sign(x)][seed % 6]
    y = 50 + 10 * shape + rng.normal(0, 5, n)
    errors = {name: rmse(fit_mapping(name, x, y)(x), y) for name in MAPPINGS}
    assert errors["logistic5"] <= errors["linear"] * (1 + 1e-9)
    assert errors["logistic5"] <= errors["logistic4"] * (1 + 1e-4)
    for name in MAPPINGS:
        steps = np.diff(fit_mapping(name, x, y)(np.linspace(x.min(), x.max(), 500)))
        assert (steps >= -1e-9).all() or (steps <= 1e-9).all(), name


@pytest.mark.parametrize("name", MAPPINGS)
def test_fit_does_not_depend_on_units(name):
    x, y = bent()
    plain, scaled = fit_mapping(name, x, y), fit_mapping(name, 1e4 * x - 7e5, y / 100)
    np.testing.assert_allclose(scaled(1e4 * x - 7e5), plain(x) / 100, rtol=1e-4)


@pytest.mark.parametrize("name", MAPPINGS)
def test_tangent_spans_the_numerical_derivatives(name):
    x, _ = bent()
    y = sheikh(x, 50, 2, 0.5, 8, 40) + np.random.default_rng(1).normal(0, 4, len(x))
    mapping = fit_mapping(name, x, y)
    basis = tangent(mapping, x)
    np.testing.assert_allclose(basis.T @ basis, np.eye(basis.shape[1]), atol=1e-10)
    for position, value in enumerate(mapping.parameters):
        step = 1e-5 * (abs(value) + 1e-3)
        moved = [
            type(mapping)(name=name, parameters=(*mapping.parameters[:position], value + sign * step,
                                                 *mapping.parameters[position + 1 :]))(x)
            for sign in (1, -1)
        ]  # fmt: skip
        slope = (moved[0] - moved[1]) / (2 * step)
        outside = slope - basis @ (basis.T @ slope)
        assert np.linalg.norm(outside) < 1e-4 * np.linalg.norm(slope)


def test_too_few_distinct_predictions_have_no_mapping_and_it_is_said():
    x, y = np.array([1.0, 1, 2, 2, 3, 3, 4, 4]), np.arange(8.0)
    assert fit_mapping("logistic4", x, y) is None
    found = agreement(x, y, mappings=MAPPINGS)
    assert list(found.mapped) == ["linear"]
    assert sum("any MOS would be fitted exactly" in note for note in found.notes) == 2


def test_constant_mos_is_mapped_to_itself():
    found = agreement(np.arange(20.0), np.full(20, 3.0), mappings=MAPPINGS)
    assert all(after.rmse == pytest.approx(0, abs=1e-9) for after in found.mapped.values())
    assert math.isnan(found.plcc)


def test_unknown_mapping_is_refused():
    with pytest.raises(DataError, match="no mapping 'cubic'"):
        fit_mapping("cubic", [1, 2, 3], [1, 2, 3])
