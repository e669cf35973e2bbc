"""Two or more methods on the same images: what differs, by how much, and whether that is more than chance."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isnan
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from linearityiqa.config import MappingName
from linearityiqa.errors import DataError
from linearityiqa.extras import require
from linearityiqa.mapping import magnitude
from linearityiqa.metrics.agreement import (
    CONFIDENCE,
    RESAMPLES,
    Agreement,
    Sample,
    replicate_samples,
    with_intervals,
)
from linearityiqa.metrics.mappings import MAPPINGS
from linearityiqa.metrics.resampling import FloatArray, Interval, Replicates, check_resampling
from linearityiqa.metrics.significance import TESTS, DependentTest, holm

LEVEL = 0.05
"""Significance level of the verdicts."""
LOWER_IS_BETTER = ("RMSE", "MAE", "outlier_ratio")
"""Figures (and what they are called after a mapping) that fall as a method improves; the others rise."""


@dataclass(frozen=True, kw_only=True)
class Difference:
    """Difference of two methods in a figure.

    Attributes:
        figure: name as in `Agreement.figures`; correlations are compared without their sign.
        value: the first method's figure minus the second's.
        interval: by the paired bootstrap (BCa, the same resamples for both), not corrected for the number of pairs.
        p: of no difference, from the same bootstrap; None where there is no interval.
        p_holm: p after Holm's correction over all pairs of methods.
        better: 1 where the first method is better at `LEVEL` after that correction, -1 where the second is, else 0.
    """

    figure: str
    value: float
    interval: Interval | None
    p: float | None
    p_holm: float | None
    better: int


@dataclass(frozen=True, kw_only=True)
class PairComparison:
    """Two methods.

    Attributes:
        first: name of the first method.
        second: of the second.
        n: number of images.
        differences: by figure.
        tests: parametric tests of equal correlations, by SROCC and PLCC; their p-values are not corrected.
    """

    first: str
    second: str
    n: int
    differences: Mapping[str, Difference]
    tests: Mapping[str, tuple[DependentTest, ...]] = field(default_factory=dict)

    def verdict(self, figure: str) -> str:
        """Say in a sentence whether the methods differ in a figure."""
        found = self.differences[figure]
        if found.p_holm is None:
            return f"{self.first} and {self.second} cannot be compared in {figure} on these {self.n} images."
        shown = f"{found.value:+.4f}"
        if found.interval is not None:
            shown += f" [{found.interval.low:+.4f}, {found.interval.high:+.4f}]"
        shown += f", p = {found.p_holm:.2g}, n = {self.n}"
        if not found.better:
            return f"No difference in {figure} shown between {self.first} and {self.second}: {shown}."
        winner, other = (self.first, self.second) if found.better > 0 else (self.second, self.first)
        word = "lower" if is_error(figure) else "higher"
        return f"{winner} is better than {other}: {figure} is {word} ({self.first} - {self.second}: {shown})."


@dataclass(frozen=True, kw_only=True)
class MethodComparison:
    """Several methods on the same images.

    Attributes:
        names: of the methods, in the order given.
        n: number of images.
        agreements: of each method.
        pairs: every pair of methods, the first against the second, the third ...
        resamples: of the bootstrap.
        notes: remarks, a sentence each.
    """

    names: tuple[str, ...]
    n: int
    agreements: Mapping[str, Agreement]
    pairs: tuple[PairComparison, ...]
    resamples: int
    notes: tuple[str, ...] = ()

    def better(self, figure: str) -> NDArray[np.int64]:
        """Return for each pair of methods 1 where the row's is better at `LEVEL`, -1 where the column's is, else 0."""
        matrix = np.zeros((len(self.names), len(self.names)), dtype=np.int64)
        for pair in self.pairs:
            row, column = self.names.index(pair.first), self.names.index(pair.second)
            matrix[row, column] = pair.differences[figure].better
            matrix[column, row] = -matrix[row, column]
        return matrix

    def figures(self) -> tuple[str, ...]:
        """Return the figures that every pair has a difference of."""
        return tuple(name for name in self.pairs[0].differences if all(name in pair.differences for pair in self.pairs))


def compare(
    predictions: Mapping[str, ArrayLike],
    mos: ArrayLike,
    std: ArrayLike | None = None,
    *,
    mappings: Sequence[MappingName] = MAPPINGS,
    resamples: int = RESAMPLES,
    confidence: float = CONFIDENCE,
    seed: int = 0,
) -> MethodComparison:
    """Compare methods on the same images, every pair of them, in every figure.

    Args:
        predictions: of each method by its name, at least two, each of shape (N,).
        mos: subjective scores, shape (N,).
        std: standard deviation of each image's ratings, on the scale of `mos`.
        mappings: after which mappings PLCC and RMSE are also compared.
        resamples: of the paired bootstrap.
        confidence: coverage of the intervals.
        seed: of the resamples.

    Raises:
        DataError: fewer than two methods, or values as `agreement` refuses them (the method is named).
        ConfigError: fewer than 100 resamples, or a confidence that is not between 0 and 1.
        MissingExtraError: SciPy is not installed.
    """
    if len(predictions) < 2:
        raise DataError(f"a comparison needs at least two methods, got {len(predictions)}")
    check_resampling(resamples or 1, confidence)
    names, samples = tuple(predictions), []
    for name, values in predictions.items():
        try:
            samples.append(Sample.of(values, mos, std, mappings))
        except DataError as cause:
            raise DataError(f"{name}: {cause}") from cause
    methods = tuple(map(_Method, names, samples, replicate_samples(samples, resamples, seed)))
    return MethodComparison(
        names=names,
        n=samples[0].agreement.n,
        agreements={one.name: with_intervals(one.sample.agreement, one.replicates, confidence) for one in methods},
        pairs=_compared(tuple(itertools.combinations(methods, 2)), confidence),
        resamples=resamples,
        notes=tuple(
            f"{one.name} falls as the MOS rises: its correlations are compared without their sign."
            for one in methods
            if one.sample.agreement.srocc < 0
        ),
    )


def is_error(figure: str) -> bool:
    """Return whether a figure falls as a method improves."""
    return figure.startswith(LOWER_IS_BETTER)


def is_better(figure: str, value: float | None, best: float | None) -> bool:
    """Return whether a value of a figure beats the best so far: a larger absolute correlation, or a smaller error.

    None is never better.

    >>> is_better("SROCC", -0.9, 0.8), is_better("RMSE", 9.0, 8.0), is_better("PLCC", None, None)
    (True, False, False)
    """
    if value is None:
        return False
    if best is None:
        return True
    return value < best if is_error(figure) else abs(value) > abs(best)


def best_position(figure: str, values: Sequence[float]) -> int:
    """Return the position of the best value, of equal ones the first; 0 if no value is defined (nan).

    >>> best_position("SROCC", [float("nan"), 0.7, -0.8, 0.8])
    2
    """
    best = 0
    for position, value in enumerate(values):
        so_far = None if isnan(values[best]) else values[best]
        if not isnan(value) and is_better(figure, value, so_far):
            best = position
    return best


class _Method(NamedTuple):
    name: str
    sample: Sample
    replicates: Mapping[str, Replicates]


def _difference(first: _Method, second: _Method, figure: str) -> Replicates | None:
    """Return the difference of a figure on all resamples; None where one of the methods has none."""
    if figure not in first.replicates or figure not in second.replicates:
        return None
    sides = [own.replicates[figure] for own in (first, second)]
    if not is_error(figure):
        sides = [side * (-1.0 if side.estimate < 0 else 1.0) for side in sides]
    return sides[0] - sides[1]


def _dependent_tests(first: Sample, second: Sample) -> dict[str, tuple[DependentTest, ...]]:
    """Run the parametric tests, on ranks and on values."""
    rank = require("scipy.stats", "metrics").rankdata
    x, y, mos = first.predictions, second.predictions, first.mos
    if len(mos) < 4 or min(np.ptp(x), np.ptp(y), np.ptp(mos)) == 0:
        return {}
    return {"SROCC": _tests(rank(x), rank(y), rank(mos)), "PLCC": _tests(x, y, mos)}


def _tests(x: FloatArray, y: FloatArray, mos: FloatArray) -> tuple[DependentTest, ...]:
    matrix = np.clip(np.corrcoef([values / magnitude(values) for values in (x, y, mos)]), -1, 1)
    # both methods turned so that they rise with the MOS, as in the bootstrap
    turned = np.sign(matrix[0, 2]) * np.sign(matrix[1, 2]) or 1.0
    between = float(turned * matrix[0, 1])
    return tuple(test(abs(float(matrix[0, 2])), abs(float(matrix[1, 2])), between, len(mos)) for test in TESTS)


def _compared(pairs: Sequence[tuple[_Method, _Method]], confidence: float) -> tuple[PairComparison, ...]:
    differences: list[dict[str, Difference]] = [{} for _ in pairs]
    for figure in pairs[0][0].sample.agreement.figures():
        replicates = [_difference(*pair, figure) for pair in pairs]
        p_values = [None if one is None else one.p_value() for one in replicates]
        adjusted = iter(holm([p for p in p_values if p is not None]).tolist())
        for own, one, p in zip(differences, replicates, p_values, strict=True):
            if one is None:
                continue
            p_holm = None if p is None else next(adjusted)
            own[figure] = Difference(
                figure=figure,
                value=one.estimate,
                interval=one.interval(confidence),
                p=p,
                p_holm=p_holm,
                better=_better(figure, one.estimate, p_holm),
            )
    return tuple(
        PairComparison(
            first=first.name,
            second=second.name,
            n=first.sample.agreement.n,
            differences=own,
            tests=_dependent_tests(first.sample, second.sample),
        )
        for (first, second), own in zip(pairs, differences, strict=True)
    )


def _better(figure: str, difference: float, p: float | None) -> int:
    if p is None or p >= LEVEL:
        return 0
    return int(np.sign(-difference if is_error(figure) else difference))
