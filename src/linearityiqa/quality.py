"""The three outputs of the network, and the scale they are mapped to."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from linearityiqa.errors import DataError

T = TypeVar("T")
S = TypeVar("S")


class QualityScores(NamedTuple, Generic[T]):
    """One value for each head: of stage 3, of stage 4, and of both stages fused (the quality that is reported).

    >>> QualityScores(1, 2, 3).map(lambda value: 10 * value).fused
    30
    """

    stage3: T
    stage4: T
    fused: T

    def map(self, function: Callable[[T], S]) -> "QualityScores[S]":
        """Return `function` of each head's value."""
        return QualityScores(function(self.stage3), function(self.stage4), function(self.fused))


USUAL_SCALES = ((0.0, 1.0), (1.0, 5.0), (0.0, 5.0), (0.0, 10.0), (0.0, 100.0))
"""Scales on which opinions are usually given, the narrowest first."""
HEADS = QualityScores._fields
"""Names of the heads, in the order of `QualityScores`."""
FIGURES = ("SROCC", "PLCC", "KROCC", "RMSE")
"""Figures of agreement that runs and tests record."""
PAPER_FIGURES = ("SROCC", "PLCC", "RMSE")
"""Those that the paper shows."""
MAIN_FIGURES = ("SROCC", "PLCC")
"""Those that most tables show."""
GRADES = ("bad", "poor", "fair", "good", "excellent")
"""The five grades of ITU-R BT.500, each a fifth of the scale."""


def grade(position: float) -> str:
    """Return the grade of a position between the ends of a scale; beyond its ends, the nearest.

    >>> grade(0.65), grade(1.3)
    ('good', 'excellent')
    """
    return GRADES[min(len(GRADES) - 1, max(0, math.floor(position * len(GRADES))))]


def known_deviations(values: NDArray[np.float64] | None) -> NDArray[np.float64] | None:
    """Return standard deviations of opinions, shape (N,), or None where they are not known.

    Several programs write unknown ones as nan or 0: full agreement on every image is not to be expected.

    >>> known_deviations(np.zeros(3)) is None
    True
    """
    return None if values is None or bool(np.all((values == 0) | np.isnan(values))) else values


@dataclass(frozen=True, kw_only=True)
class QualityScale:
    """Range and direction of a database's subjective scores.

    `low` and `high` bound the scale; scores are always stored with higher meaning better: a reader inverts
    difference scores and says so in `note`.
    """

    low: float
    high: float
    note: str = ""

    def __post_init__(self) -> None:
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise DataError(f"a quality scale needs low < high, got {self.low}..{self.high}")

    @classmethod
    def filled_by(cls, low: float, high: float, source: str) -> "QualityScale":
        """Return the usual scale that contains `low` to `high` and is half filled by it, else that range.

        >>> str(QualityScale.filled_by(1.2, 4.7, "mos.csv"))
        '1..5, higher is better; the usual scale around 1.2..4.7 in mos.csv'
        """
        for ends in USUAL_SCALES:
            if ends[0] <= low and high <= ends[1] and 2 * (high - low) >= ends[1] - ends[0]:
                given = "" if ends == (low, high) else f"the usual scale around {low:g}..{high:g} in {source}"
                return cls(low=ends[0], high=ends[1], note=given)
        return cls(low=low, high=high, note=f"range observed in {source}")

    def contains(self, score: float) -> bool:
        """Return whether `score` is within the scale."""
        return self.low <= score <= self.high

    def position(self, score: float) -> float:
        """Return the position of `score` between the ends of the scale, clipped to 0..1."""
        return min(1.0, max(0.0, (score - self.low) / (self.high - self.low)))

    def __str__(self) -> str:
        note = f"; {self.note}" if self.note else ""
        return f"{self.low:g}..{self.high:g}, higher is better{note}"
