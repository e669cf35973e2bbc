"""Predictions of a run, from any source, and their agreement with MOS."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from linearityiqa.evaluation import Predictions
from linearityiqa.mapping import LinearMapping
from linearityiqa.metrics import Agreement, Interval, agreement
from linearityiqa.quality import QualityScores

RESAMPLES = 1000
"""Resamples of an interval."""


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
