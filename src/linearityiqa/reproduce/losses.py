"""Five losses over several seeds: how much of Norm-in-Norm's lead is the scale of the labels? No item of the paper.

MAE and MSE see the scale of the opinion scores, and Norm-in-Norm does not. So the paper's three losses are joined by
MAE and MSE on standardised scores.
"""

import statistics
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from linearityiqa.config import LabelScale, LossType
from linearityiqa.errors import DataError
from linearityiqa.metrics import mean_interval
from linearityiqa.reporting import Cell, Line, Panel, Table, line_grid
from linearityiqa.reproduce.curves import METRICS, SPLIT_NAMES, curve_numbers
from linearityiqa.reproduce.item import CurveNeed, Drawn, Gathered, Item, Picture, SplitOfCurve
from linearityiqa.reproduce.paper import Run, Scale
from linearityiqa.reproduce.run_data import LOWER_IS_BETTER, Curve


class Arm(NamedTuple):
    """A loss, and the scale of the labels that it sees."""

    loss_type: LossType
    label_scale: LabelScale


PROPOSED = "Norm-in-Norm"
ARMS: Mapping[str, Arm] = {
    PROPOSED: Arm("norm-in-norm", "given"),
    "MSE, MOS as given": Arm("mse", "given"),
    "MSE, standardised MOS": Arm("mse", "standard"),
    "MAE, MOS as given": Arm("mae", "given"),
    "MAE, standardised MOS": Arm("mae", "standard"),
}
OTHERS = tuple(name for name in ARMS if name != PROPOSED)
FIRST, CHOSEN = "epoch 1", "chosen epoch"
"""When a figure is read: after one epoch, or where the validation SROCC is best, as the paper chooses its models."""
Values = Mapping[int, float]
"""A figure by seed."""


def arm_run(scale: Scale, arm: str, seed: int, **options: Any) -> Run:
    """The run of an arm with a seed."""
    return scale.base_run(**ARMS[arm]._asdict(), seed=seed, **options)


class Curves:
    """The curves of every arm and seed that is there, read at an epoch."""

    def __init__(self, results: Gathered, scale: Scale):
        self.scale = scale
        self.found = {(need.run, need.split, need.metric): curve for need, curve in results.curves.items()}

    def curve(self, arm: str, seed: int, split: SplitOfCurve, metric: str) -> Curve | None:
        """A curve, or None where its run is missing."""
        return self.found.get((arm_run(self.scale, arm, seed), split, metric))

    def values(self, arm: str, split: SplitOfCurve, metric: str, when: str) -> Values:
        """A figure of an arm, by seed."""
        found = {}
        for seed in self.scale.seeds:
            curve = self.curve(arm, seed, split, metric)
            epoch = 1 if when == FIRST else self._chosen(arm, seed)
            if curve is not None and epoch is not None and (value := curve.at(epoch)) == value:
                found[seed] = value
        return found

    def lead(self, arm: str, other: str, split: SplitOfCurve, metric: str, when: str) -> list[float]:
        """How much better `arm` is than `other` with the same seed; positive is better, whatever the figure."""
        ours, theirs = self.values(arm, split, metric, when), self.values(other, split, metric, when)
        sign = -1 if metric in LOWER_IS_BETTER else 1
        return [sign * (ours[seed] - theirs[seed]) for seed in ours if seed in theirs]

    def means(self, arm: str, split: SplitOfCurve, metric: str) -> list[float]:
        """The mean by epoch over the seeds, as far as all that are there have come."""
        curves = [curve for seed in self.scale.seeds if (curve := self.curve(arm, seed, split, metric)) is not None]
        shared = min((curve.last for curve in curves), default=0)
        return [statistics.mean(curve.at(epoch) for curve in curves) for epoch in range(1, shared + 1)]

    def first_epochs(self, arm: str, split: SplitOfCurve, metric: str) -> str | None:
        """For each seed, the first epoch with at least Norm-in-Norm's figure after one epoch with that seed."""
        found = []
        for seed, level in self.values(PROPOSED, split, metric, FIRST).items():
            curve = self.curve(arm, seed, split, metric)
            if curve is not None:
                epoch = curve.first_reaching(level, lower_is_better=metric in LOWER_IS_BETTER)
                found.append("never" if epoch is None else str(epoch))
        return ", ".join(found) or None

    def _chosen(self, arm: str, seed: int) -> int | None:
        curve = self.curve(arm, seed, "val", "SROCC")
        return None if curve is None or not curve.last else curve.best


def _curve_needs(scale: Scale) -> tuple[CurveNeed, ...]:
    # seed by seed: what is there after a stop says something of every loss
    return tuple(
        CurveNeed(arm_run(scale, arm, seed), split, metric)
        for seed in scale.seeds
        for arm in ARMS
        for split in SPLIT_NAMES
        for metric in METRICS
    )


def _draw_losses(results: Gathered, scale: Scale) -> Drawn:
    """Nine panels of means, those of the test set once more, and tables of agreement, leads, epochs and shares."""
    curves = Curves(results, scale)
    if not curves.values(PROPOSED, "val", "SROCC", FIRST):
        raise DataError("Norm-in-Norm has no validation SROCC at epoch 1, which all else is compared with.")
    panels = _panels(curves)
    pictures = {}
    for name, rows, where in (
        ("losses", panels, "training, validation and test"),
        ("losses-test", panels[-1:], "test"),
    ):
        caption = (
            f"Mean over the seeds ({', '.join(map(str, scale.seeds))}) by epoch on the {where} set of "
            f"{scale.training_set}, backbone {scale.base}. The dashed line is Norm-in-Norm's level after its first "
            "epoch."
        )
        pictures[name] = Picture(line_grid(rows), caption)
    return Drawn(
        numbers={
            "seeds": list(scale.seeds),
            "curves": [curve_numbers(need, curve) for need, curve in results.curves.items()],
        },
        pictures=pictures,
        tables={
            "losses-agreement": _agreement_table(curves),
            "losses-leads": _lead_table(curves),
            "losses-epochs": Table(
                "First epoch with at least Norm-in-Norm's figure after one epoch, seed by seed",
                ["Training", "Split", *METRICS],
                [
                    [arm, words, *(curves.first_epochs(arm, split, metric) for metric in METRICS)]
                    for arm in OTHERS
                    for split, words in SPLIT_NAMES.items()
                ],
            ),
            "losses-scale": _scale_table(curves),
        },
        sentences=tuple(_sentences(curves)),
    )


def _panels(curves: Curves) -> list[list[Panel]]:
    grid = []
    for split, words in SPLIT_NAMES.items():
        row = []
        for metric in METRICS:
            lines = []
            for style, arm in enumerate(ARMS):
                means = curves.means(arm, split, metric)
                lines.append(Line(arm, range(1, len(means) + 1), means, style))
            levels = curves.values(PROPOSED, split, metric, FIRST).values()
            row.append(Panel("", f"{metric} ({words})", lines, statistics.mean(levels) if levels else None))
        grid.append(row)
    return grid


def _agreement_table(curves: Curves) -> Table:
    columns = [f"{metric}, {when}" for when in (FIRST, CHOSEN) for metric in METRICS]
    rows = [
        [arm, words, *(spread_words(curves.values(arm, split, metric, when).values(), _decimals(metric))
                       for when in (FIRST, CHOSEN) for metric in METRICS)]
        for split, words in SPLIT_NAMES.items()
        for arm in ARMS
    ]  # fmt: skip
    title = (
        "Mean over the seeds with Student's 95 % interval of the mean; the chosen epoch is that with the best "
        "validation SROCC"
    )
    return Table(title, ["Training", "Split", *columns], rows)


def _lead_table(curves: Curves) -> Table:
    columns = [f"{metric}, {when}" for when in (FIRST, CHOSEN) for metric in METRICS]
    rows = [
        [arm, words, *(spread_words(curves.lead(PROPOSED, arm, split, metric, when), _decimals(metric), "+")
                       for when in (FIRST, CHOSEN) for metric in METRICS)]
        for split, words in SPLIT_NAMES.items()
        for arm in OTHERS
    ]  # fmt: skip
    return Table("Norm-in-Norm's lead with the same seed (positive: it is better)", ["Over", "Split", *columns], rows)


def _scale_table(curves: Curves) -> Table:
    """The lead over a loss on MOS as given, and how much of it standardising the MOS takes away."""
    rows: list[list[Cell]] = []
    for loss in ("MSE", "MAE"):
        given, standard = f"{loss}, MOS as given", f"{loss}, standardised MOS"
        for when in (FIRST, CHOSEN):
            for metric in METRICS:
                whole = curves.lead(PROPOSED, given, "test", metric, when)
                scale = curves.lead(standard, given, "test", metric, when)
                rest = curves.lead(PROPOSED, standard, "test", metric, when)
                clear = (interval := mean_interval(whole)) is not None and interval.low > 0
                share = f"{statistics.mean(scale) / statistics.mean(whole):.0%}" if clear and scale else None
                words = (spread_words(values, _decimals(metric), "+") for values in (whole, scale, rest))
                rows.append([loss, metric, when, *words, share])
    title = "How much of Norm-in-Norm's lead on the test set is the scale of the labels (empty: no clear lead)"
    columns = ["Over", "Figure", "When", "Lead over MOS as given", "Of standardised MOS", "Rest", "Share of the scale"]
    return Table(title, columns, rows)


def _sentences(curves: Curves) -> Iterator[str]:
    for arm in OTHERS:
        for metric in METRICS[:2]:
            lead = curves.lead(PROPOSED, arm, "test", metric, CHOSEN)
            if (interval := mean_interval(lead)) is not None:
                clear = "not a clear difference" if 0 in interval else "a clear difference"
                yield (
                    f"Norm-in-Norm less {arm}, {metric} on the test set at the chosen epoch: "
                    f"{spread_words(lead, sign='+')} over {len(lead)} seeds, {clear}."
                )


def _decimals(metric: str) -> int:
    return 2 if metric in LOWER_IS_BETTER else 3


def spread_words(values: Iterable[float], decimals: int = 3, sign: str = "") -> str | None:
    """Mean and half the width of Student's 95 % interval of the mean, in words; None without values.

    >>> spread_words([0.5, 0.7])
    '0.600 ± 1.271'
    """
    values = list(values)
    if not values:
        return None
    text = f"{statistics.mean(values):{sign}.{decimals}f}"
    interval = mean_interval(values)
    return text if interval is None else f"{text} ± {(interval.high - interval.low) / 2:.{decimals}f}"


LOSSES = Item(
    name="losses",
    title="Five losses over several seeds, and the scale of the labels",
    needs=_curve_needs,
    draw=_draw_losses,
    partial=True,
    test_during_training=True,
)
