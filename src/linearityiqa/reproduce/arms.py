"""The arms of `losses` and `settings`, and their curves read seed by seed. No items of the paper.

MAE and MSE see the scale of the opinion scores, and Norm-in-Norm does not. So the paper's three losses are joined by
MAE and MSE on standardised scores.
"""

import math
import statistics
from collections.abc import Mapping
from typing import Any, NamedTuple

from linearityiqa.config import LabelScale, LossType
from linearityiqa.metrics import is_error, mean_interval
from linearityiqa.metrics.comparison import best_position
from linearityiqa.reproduce.item import Gathered, SplitOfCurve
from linearityiqa.reproduce.paper import Run, Scale
from linearityiqa.run_curves import Curve


class Arm(NamedTuple):
    """A loss, and the scale of the labels that it sees."""

    loss_type: LossType
    label_scale: LabelScale


PROPOSED = "Norm-in-Norm"
GIVEN = {"MSE": "MSE, MOS as given", "MAE": "MAE, MOS as given"}
STANDARDISED = {"MSE": "MSE, standardised MOS", "MAE": "MAE, standardised MOS"}
ARMS: Mapping[str, Arm] = {
    PROPOSED: Arm("norm-in-norm", "given"),
    GIVEN["MSE"]: Arm("mse", "given"),
    STANDARDISED["MSE"]: Arm("mse", "standard"),
    GIVEN["MAE"]: Arm("mae", "given"),
    STANDARDISED["MAE"]: Arm("mae", "standard"),
}
OTHERS = tuple(name for name in ARMS if name != PROPOSED)
FIRST, CHOSEN = "epoch 1", "chosen epoch"
"""When a figure is read: after one epoch, or at the epoch whose model training keeps."""
Values = Mapping[int, float]
"""A figure by seed."""


def arm_run(scale: Scale, arm: str, seed: int, **options: Any) -> Run:
    """Return the run of an arm with a seed."""
    return scale.base_run(**ARMS[arm]._asdict(), seed=seed, **options)


class ArmCurves:
    """The curves of every arm and seed that is there.

    Attributes:
        scale: its seeds.
        epochs: epochs of a run that did not diverge.
    """

    def __init__(self, results: Gathered, scale: Scale):
        self.scale = scale
        self.epochs = max((curve.last for curve in results.curves.values()), default=0)
        self._found = {(need.run, need.split, need.metric): curve for need, curve in results.curves.items()}

    def curve(self, arm: str, seed: int, split: SplitOfCurve, metric: str) -> Curve | None:
        """Return a curve, or None where its run is missing."""
        return self._found.get((arm_run(self.scale, arm, seed), split, metric))

    def values(self, arm: str, split: SplitOfCurve, metric: str, when: str) -> Values:
        """Return a figure of an arm by seed, of the seeds that have it."""
        found = {}
        for seed in self.scale.seeds:
            curve = self.curve(arm, seed, split, metric)
            epoch = 1 if when == FIRST else self._chosen(arm, seed)
            if curve is not None and epoch is not None and math.isfinite(value := curve.at(epoch)):
                found[seed] = value
        return found

    def leads(self, arm: str, other: str, split: SplitOfCurve, metric: str, when: str) -> Values:
        """Return how much better an arm is than another with the same seed: positive is better, whatever the figure."""
        ours, theirs = self.values(arm, split, metric, when), self.values(other, split, metric, when)
        sign = -1 if is_error(metric) else 1
        return {seed: sign * (ours[seed] - theirs[seed]) for seed in ours if seed in theirs}

    def means(self, arm: str, split: SplitOfCurve, metric: str) -> list[float]:
        """Return the mean over the seeds by epoch, up to where one of them ends."""
        curves = [curve for seed in self.scale.seeds if (curve := self.curve(arm, seed, split, metric)) is not None]
        shared = min((curve.last for curve in curves), default=0)
        return [statistics.mean(curve.at(epoch) for curve in curves) for epoch in range(1, shared + 1)]

    def first_epochs(self, arm: str, split: SplitOfCurve, metric: str) -> dict[int, int | None]:
        """Return by seed the first epoch as good as Norm-in-Norm's first one with that seed; None: never."""
        found = {}
        for seed, level in self.values(PROPOSED, split, metric, FIRST).items():
            curve = self.curve(arm, seed, split, metric)
            if curve is not None:
                found[seed] = curve.first_reaching(level, lower_is_better=is_error(metric))
        return found

    def _chosen(self, arm: str, seed: int) -> int | None:
        """Return the epoch with the best validation SROCC; None for a run that diverged, of which no model is kept."""
        curve = self.curve(arm, seed, "val", "SROCC")
        if curve is None or curve.last < self.epochs:
            return None
        return int(curve.steps[best_position("SROCC", curve.values.tolist())])


def mean_words(values: Values, seeds: int, decimals: int = 3, sign: str = "") -> str | None:
    """Return the mean and half the width of Student's 95 % interval of the mean; None without values.

    >>> mean_words({1: 0.5, 2: 0.7}, seeds=2), mean_words({2: 0.7}, seeds=2)
    ('0.600 ± 1.271', '0.700 (1)')
    """
    if not values:
        return None
    words = f"{statistics.mean(values.values()):{sign}.{decimals}f}"
    if (interval := mean_interval(list(values.values()))) is not None:
        words += f" ± {(interval.high - interval.low) / 2:.{decimals}f}"
    return words if len(values) == seeds else f"{words} ({len(values)})"


MEAN_WORDS = "mean over the seeds ± half its 95 % interval (Student's; in brackets: of fewer seeds)"
"""Meaning of `mean_words` in the title of a table."""


def mean_numbers(values: Values) -> dict[str, Any]:
    """Return the same, and the value with each seed, for JSON."""
    interval = mean_interval(list(values.values()))
    return {
        "by_seed": {str(seed): value for seed, value in values.items()},
        "mean": statistics.mean(values.values()) if values else None,
        "interval": None if interval is None else [interval.low, interval.high],
    }
