"""Mappings from predictions to MOS: a line and the two logistic curves of the field.

Most papers report PLCC after a logistic mapping, which is not comparable with PLCC before it. ITU-T P.1401 asks for a
monotonic mapping before errors are compared, so a curve that turns within the data is not accepted.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from linearityiqa.config import MappingName
from linearityiqa.errors import DataError
from linearityiqa.extras import require
from linearityiqa.mapping import LinearMapping, magnitude
from linearityiqa.metrics.correlation import checked, rmse

FloatArray = NDArray[np.float64]

MAPPINGS: tuple[MappingName, ...] = get_args(MappingName)
"""The mappings, from the stiffest on."""

_PARAMETERS = {"linear": 2, "logistic4": 4, "logistic5": 5}
# of the standardised predictions: where the search starts, and the range of the logistic's width
_START_CENTRES = (-1.5, -0.75, 0.0, 0.75, 1.5)
_START_WIDTHS = (0.1, 0.3, 0.8, 2.0, 6.0)
_WIDTHS = (0.02, 10.0)
_FARTHEST_CENTRE = 5.0


@dataclass(frozen=True, kw_only=True)
class FittedMapping:
    """A least-squares mapping from predictions x to MOS.

    linear: b1 x + b2.

    logistic4: b2 + (b1 - b2) / (1 + exp(-(x - b3) / |b4|)) (VQEG, Final report on the validation of objective models
    of video quality assessment, FR-TV phase I, 2000, and phase II, 2003); always monotonic.

    logistic5: b1 (1/2 - 1 / (1 + exp(b2 (x - b3)))) + b4 x + b5 (Sheikh, Sabir, Bovik, IEEE TIP 15(11), 2006, eq. 10);
    the line is the case b1 = 0, so its RMSE is never above the line's.

    Attributes:
        name: which of them.
        parameters: b1, b2 ... in this order, for predictions and MOS as they are given.
        converged: whether the search ended at a minimum, not at its limit of steps.
        constrained: whether this is the better of logistic5's monotonic special cases, b1 = 0 and b4 = 0, because the
            free fit turned within the data.
        held: "centre" (b3) or "width" (b4 of logistic4, 1 / b2 of logistic5), where the search ended at their limits: a
            centre 5 standard deviations of the predictions from their mean, a width of 0.02 or 10 of them. The data
            then ask for a part of the curve only, or for hardly a bend.
    """

    name: MappingName
    parameters: tuple[float, ...]
    converged: bool = True
    constrained: bool = False
    held: frozenset[str] = frozenset()

    @property
    def free_parameters(self) -> frozenset[str]:
        """Parts that the fit was free to move: "slope" (a term linear in x), "logistic", or both."""
        if self.name == "linear":
            return frozenset({"slope"})
        if self.name == "logistic4":
            return frozenset({"logistic"})
        held = {"logistic" if self.parameters[0] == 0 else "slope"} if self.constrained else set()
        return frozenset({"slope", "logistic"} - held)

    def __call__(self, predictions: ArrayLike) -> FloatArray:
        """Map predictions to the scale of the MOS, in the shape given."""
        x = np.asarray(predictions, dtype=np.float64)
        expit: Callable[[FloatArray], FloatArray] = require("scipy.special", "metrics").expit
        b = self.parameters
        if self.name == "linear":
            return b[0] * x + b[1]
        if self.name == "logistic4":
            return b[1] + (b[0] - b[1]) * expit((x - b[2]) / abs(b[3]))
        return b[0] * (expit(b[1] * (x - b[2])) - 0.5) + b[3] * x + b[4]


def fit_mapping(name: MappingName, predictions: ArrayLike, mos: ArrayLike) -> FittedMapping | None:
    """Fit the mapping of least squared error.

    The search is deterministic: the best of 25 pairs of centre and width, with the other parameters in closed form,
    then a trust-region least-squares search from there.

    Args:
        name: which mapping.
        predictions: shape (N,), any scale.
        mos: shape (N,).

    Returns:
        The mapping, or None where there are not more distinct predictions than parameters, so that any scatter would be
        fitted exactly.

    Raises:
        DataError: fewer than 2 values, unequal lengths, or a value that is not finite.
        MissingExtraError: SciPy is not installed.
    """
    x, y = checked(predictions=predictions, mos=mos)
    if name not in _PARAMETERS:
        raise DataError(f"there is no mapping {name!r}; known: {', '.join(MAPPINGS)}")
    if len(np.unique(x)) <= _PARAMETERS[name]:
        return None
    if name == "linear":
        line = LinearMapping.fit(x, y)
        return FittedMapping(name=name, parameters=(line.slope, line.intercept))
    fitted, monotonic = _LogisticFit(x, y, with_slope=name == "logistic5").search()
    return fitted if monotonic else _monotonic_case(x, y)


def tangent(mapping: FittedMapping, predictions: FloatArray) -> FloatArray:
    """Return an orthonormal basis of the directions in which the mapping moves with its parameters, shape (N, r).

    With it the error of a mapping fitted to other weights of the same images follows in one Gauss-Newton step.
    """
    x, _, _ = _standardised(predictions)
    columns = [np.ones_like(x)]
    free = mapping.free_parameters
    if "slope" in free:
        columns.append(x)
    if "logistic" in free:
        second, centre, fourth = mapping.parameters[1:4]
        argument = (predictions - centre) * (second if mapping.name == "logistic5" else 1 / abs(fourth))
        curve = require("scipy.special", "metrics").expit(argument)
        columns.append(curve)
        moves = {"centre": curve * (1 - curve), "width": argument * curve * (1 - curve)}
        columns += [move for name, move in moves.items() if name not in mapping.held]
    scaled = [column / max(float(np.linalg.norm(column)), 1e-300) for column in columns]
    basis, sizes, _ = np.linalg.svd(np.stack(scaled, axis=1), full_matrices=False)
    return np.asarray(basis[:, sizes > 1e-6 * sizes[0]])


def _standardised(values: FloatArray) -> tuple[FloatArray, float, float]:
    """Return the values with mean 0 and deviation 1, their mean, and their deviation (1 where they are constant)."""
    unit = magnitude(values)
    scaled = values / unit
    mean, deviation = float(scaled.mean()), float(scaled.std()) or 1.0
    return (scaled - mean) / deviation, mean * unit, deviation * unit


def _monotonic_case(x: FloatArray, y: FloatArray) -> FittedMapping:
    """Return the better of logistic5's monotonic special cases: b4 = 0, which is logistic4, and b1 = 0, the line."""
    curve, _ = _LogisticFit(x, y, with_slope=False).search()
    line = LinearMapping.fit(x, y)
    b1, b2, b3, b4 = curve.parameters
    cases = [
        FittedMapping(
            name="logistic5",
            parameters=(b1 - b2, 1 / abs(b4), b3, 0.0, (b1 + b2) / 2),
            converged=curve.converged,
            constrained=True,
            held=curve.held,
        ),
        FittedMapping(
            name="logistic5", parameters=(0.0, 1 / abs(b4), b3, line.slope, line.intercept), constrained=True
        ),
    ]
    return min(cases, key=lambda case: rmse(case(x), y))


class _LogisticFit:
    """Least squares of v = a g(z) + d [+ e z], g the logistic of (z - centre) / width, for standardised z and v.

    Only centre and width are searched for; at each of them the other parameters are in closed form (variable
    projection, with Kaufman's Jacobian: BIT 15, 1975).
    """

    def __init__(self, predictions: FloatArray, mos: FloatArray, *, with_slope: bool) -> None:
        self._with_slope = with_slope
        self._z, self._x_mean, self._x_scale = _standardised(predictions)
        self._v, self._y_mean, self._y_scale = _standardised(mos)
        self._expit = require("scipy.special", "metrics").expit

    def search(self) -> tuple[FittedMapping, bool]:
        """Return the fitted curve, and whether it rises or falls all over the data."""
        starts = [np.array([c, np.log(w)]) for c in _START_CENTRES for w in _START_WIDTHS]
        start = min(starts, key=lambda shape: float(np.sum(self._residual(shape) ** 2)))
        result = require("scipy.optimize", "metrics").least_squares(
            self._residual,
            start,
            jac=self._jacobian,
            bounds=self._limits,
            xtol=1e-8,
            ftol=1e-10,
            gtol=1e-8,
            max_nfev=200,
        )
        low, high = self._limits
        at_limit = np.minimum(result.x - low, high - result.x) < 1e-2
        held = frozenset(name for name, holds in zip(("centre", "width"), at_limit, strict=True) if holds)
        fitted = self._published(result.x, converged=bool(result.status > 0), held=held)
        return fitted, self._is_monotonic(result.x)

    _limits = (np.array([-_FARTHEST_CENTRE, np.log(_WIDTHS[0])]), np.array([_FARTHEST_CENTRE, np.log(_WIDTHS[1])]))

    def _columns(self, shape: FloatArray) -> FloatArray:
        columns = [self._logistic(shape, self._z), np.ones_like(self._z)]
        return np.stack([*columns, self._z] if self._with_slope else columns, axis=1)

    def _logistic(self, shape: FloatArray, z: FloatArray) -> FloatArray:
        return np.asarray(self._expit((z - shape[0]) * np.exp(-shape[1])))

    def _linear_parameters(self, shape: FloatArray) -> FloatArray:
        """Return a, d and e (0 where there is no slope)."""
        found = np.linalg.lstsq(self._columns(shape), self._v, rcond=None)[0]
        return np.append(found, np.zeros(3 - len(found)))

    def _residual(self, shape: FloatArray) -> FloatArray:
        amplitude, offset, slope = self._linear_parameters(shape)
        return np.asarray(amplitude * self._logistic(shape, self._z) + offset + slope * self._z - self._v)

    def _jacobian(self, shape: FloatArray) -> FloatArray:
        amplitude = self._linear_parameters(shape)[0]
        logistic, argument = self._logistic(shape, self._z), (self._z - shape[0]) * np.exp(-shape[1])
        steepness = -amplitude * logistic * (1 - logistic)
        full = np.stack([steepness * np.exp(-shape[1]), steepness * argument], axis=1)
        basis = np.linalg.qr(self._columns(shape))[0]
        return np.asarray(full - basis @ (basis.T @ full))

    def _is_monotonic(self, shape: FloatArray) -> bool:
        """Return whether the slope has one sign over the data: it is extreme at both ends and at the centre."""
        amplitude, _, slope = self._linear_parameters(shape)
        ends = self._z.min(), self._z.max()
        logistic = self._logistic(shape, np.array([*ends, np.clip(shape[0], *ends)]))
        slopes = amplitude * logistic * (1 - logistic) * np.exp(-shape[1]) + slope
        return bool((slopes >= 0).all() or (slopes <= 0).all())

    def _published(self, shape: FloatArray, *, converged: bool, held: frozenset[str]) -> FittedMapping:
        """Return the curve in the published parameters, for the values as they were given."""
        amplitude, offset, slope = (self._y_scale * float(value) for value in self._linear_parameters(shape))
        centre, width = self._x_mean + self._x_scale * float(shape[0]), self._x_scale * float(np.exp(shape[1]))
        low = self._y_mean + offset
        if not self._with_slope:
            parameters = (low + amplitude, low, centre, width)
            return FittedMapping(name="logistic4", parameters=parameters, converged=converged, held=held)
        b4 = slope / self._x_scale
        b5 = low + amplitude / 2 - b4 * self._x_mean
        return FittedMapping(
            name="logistic5", parameters=(amplitude, 1 / width, centre, b4, b5), converged=converged, held=held
        )
