"""Results of runs in memory, from any source: curves, predictions and the log of the norm b."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from linearityiqa.errors import DataError
from linearityiqa.evaluation import Predictions
from linearityiqa.mapping import LinearMapping
from linearityiqa.metrics import Agreement, Interval, agreement
from linearityiqa.quality import QualityScores

RESAMPLES = 1000
"""Resamples of an interval."""


@dataclass(frozen=True, eq=False)
class Curve:
    """One metric of one run on one split, by epoch.

    Attributes:
        steps: epochs, counted from 1, rising, shape (N,); N is 0 for a run that diverged in its first epoch.
        values: the metric; nan where a run has none.
        wall_times: seconds since 1970 at the end of each epoch, or None where not known.

    Raises:
        DataError: unequal lengths, or steps that do not rise.
    """

    steps: NDArray[np.int64]
    values: NDArray[np.float64]
    wall_times: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        columns = [self.values] if self.wall_times is None else [self.values, self.wall_times]
        if any(column.shape != self.steps.shape for column in columns):
            raise DataError(f"a curve of {len(self.steps)} steps has {len(self.values)} values")
        if np.any(np.diff(self.steps) <= 0):
            raise DataError("the steps of a curve do not rise")

    @property
    def last(self) -> int:
        """Last epoch that has a value; 0 where none has."""
        with_value = self.steps[np.isfinite(self.values)]
        return int(with_value[-1]) if len(with_value) else 0

    @property
    def gaps(self) -> tuple[int, ...]:
        """Epochs without a value before the last one that has one."""
        return tuple(int(step) for step in self.steps[np.isnan(self.values) & (self.steps < self.last)])

    def at(self, epoch: int) -> float:
        """The value at an epoch; nan where there is none."""
        found = self.values[self.steps == epoch]
        return float(found[0]) if len(found) else float("nan")

    def first_reaching(self, level: float, *, lower_is_better: bool) -> int | None:
        """The first epoch whose value is at least as good as `level`, or None.

        >>> Curve(np.arange(1, 4), np.array([0.5, 0.7, 0.9])).first_reaching(0.7, lower_is_better=False)
        2
        """
        reached = self.values <= level if lower_is_better else self.values >= level
        return int(self.steps[np.argmax(reached)]) if reached.any() else None


@dataclass(frozen=True, eq=False)
class PredictionsSet:
    """A model's predictions on one set of images, and its lines from raw score to MOS."""

    predictions: Predictions
    mapping: QualityScores[LinearMapping]

    @property
    def mos(self) -> NDArray[np.float64]:
        """Mean opinion scores, shape (N,)."""
        return self.predictions.mos

    @cached_property
    def predicted(self) -> NDArray[np.float64]:
        """Scores of the fused head on the scale of the MOS, shape (N,)."""
        return self.predictions.mapped(self.mapping).fused

    @cached_property
    def agreement(self) -> Agreement:
        """SROCC, PLCC, KROCC and RMSE of the fused head."""
        return agreement(self.predicted, self.mos)

    @cached_property
    def _intervals(self) -> Mapping[str, Interval | None]:
        return agreement(self.predicted, self.mos, resamples=RESAMPLES).intervals

    def interval(self, metric: str) -> tuple[float, float] | None:
        """95 % bootstrap interval of the fused head's SROCC, PLCC or RMSE, or None where there is none."""
        found = self._intervals[metric]
        return None if found is None else (found.low, found.high)


@dataclass(frozen=True, eq=False)
class BhatLog:
    """The norm b of each head's centred predictions in every training batch (appendix of the paper).

    Attributes:
        values: b of each head by iteration, all of shape (N,).
        iterations_per_epoch: batches of one epoch.

    Raises:
        DataError: heads of unequal length, or no whole iteration.
    """

    values: QualityScores[NDArray[np.float64]]
    iterations_per_epoch: int

    def __post_init__(self) -> None:
        lengths = {head.shape for head in self.values}
        if len(lengths) != 1 or not len(self.values.fused) or self.iterations_per_epoch < 1:
            raise DataError(f"a log of b needs equally many values of each head, got {sorted(lengths)}")

    def __len__(self) -> int:
        return len(self.values.fused)

    def epoch_means(self) -> QualityScores[NDArray[np.float64]]:
        """Mean of each head's b in every epoch; of the last one over what is there."""
        starts = np.arange(0, len(self), self.iterations_per_epoch)
        lengths = np.diff(np.append(starts, len(self)))
        return self.values.map(lambda head: np.add.reduceat(head, starts) / lengths)
