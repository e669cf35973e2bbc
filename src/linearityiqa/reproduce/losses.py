"""Five losses over several seeds: how much of Norm-in-Norm's lead is the scale of the labels? No item of the paper."""

import itertools
import math
import statistics
from collections.abc import Callable, Iterator
from typing import Any

from linearityiqa.metrics import is_error, mean_interval
from linearityiqa.metrics.comparison import best_position
from linearityiqa.quality import MAIN_FIGURES, PAPER_FIGURES
from linearityiqa.reporting import Cell, Line, Panel, Table, line_grid
from linearityiqa.reproduce.arms import (
    ARMS,
    GIVEN,
    MEAN_WORDS,
    OTHERS,
    PROPOSED,
    STANDARDISED,
    Values,
    arm_run,
    mean_numbers,
    mean_words,
)
from linearityiqa.reproduce.curves import SPLIT_NAMES, curve_numbers, curve_remarks
from linearityiqa.reproduce.item import CurveNeed, Drawn, Gathered, Item, Picture, SplitOfCurve, curve_need
from linearityiqa.reproduce.paper import LOSS_STYLES, Scale
from linearityiqa.run_folders import Curve

FIRST, CHOSEN = "epoch 1", "chosen epoch"
"""When a figure is read: after one epoch, or at the epoch whose model training keeps."""
WHEN = (FIRST, CHOSEN)
Reading = Callable[[str, SplitOfCurve, str, str], Values]
"""What a table shows of an arm on a split: a metric at a time, by seed."""


class ArmCurves:
    """The curves of every arm and seed that is there; `epochs` is the number of a run that did not diverge."""

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


def _needs(scale: Scale) -> tuple[CurveNeed, ...]:
    # seed by seed: after a stop there are runs of every loss
    return tuple(
        curve_need(scale, arm_run(scale, arm, seed), split, metric)
        for seed in scale.seeds
        for arm in ARMS
        for split in SPLIT_NAMES
        for metric in PAPER_FIGURES
    )


def _draw(results: Gathered, scale: Scale) -> Drawn:
    """Draw nine panels of means, the test set's once more, and tables of agreement, leads, epochs and shares."""
    curves = ArmCurves(results, scale)
    panels = _panels(curves)
    caption = (
        f"Mean over the seeds by epoch on the {{}} set of {scale.training_set}, backbone {scale.base}; the seeds are "
        f"{', '.join(map(str, scale.seeds))}. The dashed line is Norm-in-Norm's level after its first epoch."
    )

    def leads(arm: str, split: SplitOfCurve, metric: str, when: str) -> Values:
        return curves.leads(PROPOSED, arm, split, metric, when)

    return Drawn(
        numbers={
            "seeds": list(scale.seeds),
            "curves": [
                {"seed": need.run.seed} | curve_numbers(need, curve) for need, curve in results.curves.items()
            ],
            "agreement": _numbers(tuple(ARMS), curves.values),
            "leads": _numbers(OTHERS, leads),
            "first_epochs": [
                {"arm": arm, "split": split, "metric": metric, "by_seed": curves.first_epochs(arm, split, metric)}
                for arm in OTHERS
                for split in SPLIT_NAMES
                for metric in PAPER_FIGURES
            ],
            "shares": [row for _, row in _shares(curves)],
        },
        pictures={
            "losses": Picture(line_grid(panels), caption.format("training, validation and test")),
            "losses-test": Picture(line_grid(panels[-1:], panel_height=2.0), caption.format("test")),
        },
        tables={
            "losses-agreement": _table(
                f"Agreement with MOS: {MEAN_WORDS}; the chosen epoch has the best validation SROCC",
                tuple(ARMS), curves.values, len(scale.seeds),
            ),
            "losses-leads": _table(
                f"Norm-in-Norm's lead with the same seed, positive where it is better: {MEAN_WORDS}",
                OTHERS, leads, len(scale.seeds), sign="+",
            ),
            "losses-epochs": _epoch_table(curves),
            "losses-scale": Table(
                f"Norm-in-Norm's lead on the test set: {MEAN_WORDS}; share: of their means, and range over the seeds, "
                "where Norm-in-Norm leads clearly",
                ["Over", "Figure", "When", "Lead over MOS as given", "By standardising", "Rest", "Share"],
                [cells for cells, _ in _shares(curves)],
            ),
        },
        sentences=tuple(_sentences(curves)),
    )  # fmt: skip


def _panels(curves: ArmCurves) -> list[list[Panel]]:
    grid = []
    for split, words in SPLIT_NAMES.items():
        row = []
        for metric in PAPER_FIGURES:
            lines = []
            for name, arm in ARMS.items():
                means = curves.means(name, split, metric)
                # MSE and MAE have the colours that they have in every figure, and on standardised MOS two more
                style = LOSS_STYLES[arm.loss_type] + (2 if arm.label_scale == "standard" else 0)
                ended = 0 < len(means) < curves.epochs
                lines.append(Line(name, range(1, len(means) + 1), means, style, ended=ended))
            levels = curves.values(PROPOSED, split, metric, FIRST).values()
            row.append(Panel("", f"{metric} ({words})", lines, statistics.mean(levels) if levels else None))
        grid.append(row)
    return grid


def _numbers(arms: tuple[str, ...], reading: Reading) -> list[dict[str, Any]]:
    return [
        {"arm": arm, "split": split, "metric": metric, "when": when} | mean_numbers(reading(arm, split, metric, when))
        for split in SPLIT_NAMES
        for when in WHEN
        for arm in arms
        for metric in PAPER_FIGURES
    ]


def _table(title: str, arms: tuple[str, ...], reading: Reading, seeds: int, sign: str = "") -> Table:
    rows: list[list[Cell]] = [
        [arm, words, when, *(mean_words(reading(arm, split, metric, when), seeds, _decimals(metric), sign)
                             for metric in PAPER_FIGURES)]
        for split, words in SPLIT_NAMES.items()
        for when in WHEN
        for arm in arms
    ]  # fmt: skip
    return Table(title, ["Loss", "Split", "When", *PAPER_FIGURES], rows)


def _epoch_table(curves: ArmCurves) -> Table:
    def cell(arm: str, split: SplitOfCurve, metric: str) -> str:
        found = curves.first_epochs(arm, split, metric)
        return ", ".join(str(found[seed] or "never") if seed in found else "–" for seed in curves.scale.seeds)

    title = "First epoch with at least Norm-in-Norm's figure after one epoch, seed by seed (–: no run)"
    rows: list[list[Cell]] = [
        [arm, words, *(cell(arm, split, metric) for metric in PAPER_FIGURES)]
        for arm in OTHERS
        for split, words in SPLIT_NAMES.items()
    ]
    return Table(title, ["Loss", "Split", *PAPER_FIGURES], rows)


def _shares(curves: ArmCurves) -> Iterator[tuple[list[Cell], dict[str, Any]]]:
    """Yield Norm-in-Norm's lead over a loss on MOS as given, and what standardising brings of it: cells and JSON."""
    for loss, given in GIVEN.items():
        for when, metric in itertools.product(WHEN, PAPER_FIGURES):
            pairs = ((PROPOSED, given), (STANDARDISED[loss], given), (PROPOSED, STANDARDISED[loss]))
            found = [curves.leads(*pair, "test", metric, when) for pair in pairs]
            common = [seed for seed in curves.scale.seeds if all(seed in each for each in found)]
            whole, scale, rest = ({seed: each[seed] for seed in common} for each in found)
            share, words = None, None
            if (interval := mean_interval(list(whole.values()))) is not None and interval.low > 0:
                share = statistics.mean(scale.values()) / statistics.mean(whole.values())
                each = [scale[seed] / whole[seed] for seed in common if whole[seed] > 0]
                words = f"{share:.0%} ({min(each):.0%} to {max(each):.0%})"
            cells = [mean_words(part, len(curves.scale.seeds), _decimals(metric), "+") for part in (whole, scale, rest)]
            numbers = {"lead": mean_numbers(whole), "scale": mean_numbers(scale), "rest": mean_numbers(rest)}
            yield (
                [loss, metric, when, *cells, words],
                {"over": given, "metric": metric, "when": when, **numbers, "share": share},
            )


def _sentences(curves: ArmCurves) -> Iterator[str]:
    several = False
    for arm in OTHERS:
        for metric in MAIN_FIGURES:
            lead = curves.leads(PROPOSED, arm, "test", metric, CHOSEN)
            if (interval := mean_interval(list(lead.values()))) is not None:
                several = True
                holds = "; the interval holds 0" if 0 in interval else ""
                words = mean_words(lead, len(lead), sign="+")
                yield (
                    f"Norm-in-Norm less {arm}, {metric} on the test set at the chosen epoch: {words} over "
                    f"{len(lead)} seeds{holds}."
                )
    if several:
        yield "Each interval is at 95 %, not corrected for their number."
    for arm in ARMS:
        for seed in curves.scale.seeds:
            if (curve := curves.curve(arm, seed, "val", "SROCC")) is not None:
                yield from curve_remarks(f"{arm}, seed {seed}", curve, curves.epochs)


def _decimals(metric: str) -> int:
    return 2 if is_error(metric) else 3


LOSSES_OVER_SEEDS = Item(
    name="losses",
    title="Five losses over several seeds, and the scale of the labels",
    needs=_needs,
    draw=_draw,
    partial=True,
    test_during_training=True,
)
