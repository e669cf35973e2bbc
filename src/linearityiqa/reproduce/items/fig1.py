"""Figure 1: convergence of MAE, MSE and Norm-in-Norm."""

from typing import Any, NamedTuple

from linearityiqa.config import LossType
from linearityiqa.errors import DataError
from linearityiqa.reporting import Line, Panel, Table, line_grid
from linearityiqa.reproduce.item import CurveNeed, Drawn, Item, Picture, Results, SplitOfCurve
from linearityiqa.reproduce.items.common import (
    LOSS_STYLES,
    SPLIT_NAMES,
    curve_numbers,
    curve_remarks,
    longest,
    loss_runs,
)
from linearityiqa.reproduce.plan import LOSS_NAMES, LOSSES, Scale
from linearityiqa.reproduce.published import published_mark
from linearityiqa.reproduce.results import LOWER_IS_BETTER

SPLITS: tuple[SplitOfCurve, ...] = ("train", "val", "test")
METRICS = ("SROCC", "PLCC", "RMSE")


class Crossing(NamedTuple):
    """When a loss first reaches the level that Norm-in-Norm has after its first epoch.

    `epoch` is None where it never does; `marked` is the authors' mark, None where they made none.
    """

    loss: LossType
    split: str
    metric: str
    level: float
    epoch: int | None
    value: float | None
    marked: int | None


def needs(scale: Scale) -> tuple[CurveNeed, ...]:
    """Every metric of the three losses on the three splits."""
    return tuple(
        CurveNeed(run, split, metric, f"csv/loss={run.loss_type}-{split}_{scale.training_set}_{metric}.csv")
        for split in SPLITS
        for metric in METRICS
        for run in loss_runs(scale, scale.base, LOSSES)
    )


def crossings(results: Results, scale: Scale) -> list[Crossing]:
    """The crossing of each loss, split and metric.

    Raises:
        DataError: Norm-in-Norm has no value at its first epoch.
    """
    found = []
    levels = {
        (need.split, need.metric): curve.at(1)
        for need, curve in results.curves.items()
        if need.run.loss_type == "norm-in-norm"
    }
    for need, curve in results.curves.items():
        level = levels[need.split, need.metric]
        if level != level:
            raise DataError(f"Norm-in-Norm has no {need.split} {need.metric} at epoch 1, which figure 1 compares with.")
        epoch = curve.first_reaching(level, lower_is_better=need.metric in LOWER_IS_BETTER)
        mark = published_mark(need.run.loss_type, need.split, need.metric) if _has_marks(scale) else None
        value = None if epoch is None else curve.at(epoch)
        found.append(
            Crossing(need.run.loss_type, need.split, need.metric, level, epoch, value, mark.epoch if mark else None)
        )
    return found


def draw(results: Results, scale: Scale) -> Drawn:
    """Nine panels, the table of crossings, and the speed-up in words."""
    found = crossings(results, scale)
    others = [one for one in found if one.loss != "norm-in-norm"]
    epochs = longest(results.curves.values())
    remarks = [
        remark
        for need, curve in results.curves.items()
        for remark in curve_remarks(f"{LOSS_NAMES[need.run.loss_type]}, {need.split} {need.metric}", curve, epochs)
    ]
    caption = (
        f"Metrics by epoch on the training, validation and test set of {scale.training_set}. The dashed line is "
        "Norm-in-Norm's level after its first epoch; a star marks the first epoch at which each loss reaches it."
    )
    return Drawn(
        numbers={
            "curves": [curve_numbers(need, curve) for need, curve in results.curves.items()],
            "crossings": [one._asdict() for one in found],
        },
        pictures={"fig1": Picture(line_grid(_panels(results, found, epochs)), caption)},
        tables={"fig1-epochs": _table(others, scale)},
        sentences=(*speed_up(others, epochs), *_differing_marks(others), *remarks),
    )


def speed_up(found: list[Crossing], epochs: int) -> list[str]:
    """How many times fewer epochs Norm-in-Norm takes, in words, for each other loss."""
    sentences = []
    for loss in dict.fromkeys(one.loss for one in found):
        reached = [one.epoch for one in found if one.loss == loss and one.epoch is not None]
        never = sum(one.loss == loss and one.epoch is None for one in found)
        name = LOSS_NAMES[loss]
        if not reached:
            sentences.append(f"{name} never reaches Norm-in-Norm's first-epoch level in {epochs} epochs.")
            continue
        low, high = min(reached), max(reached)
        span = f"{low}" if low == high else f"{low} to {high}"
        words = "no speed-up: it is as good after one epoch" if high == 1 else f"a speed-up of {span} times in epochs"
        where = f" in {len(reached)} of {len(reached) + never} panels" if never else ""
        rest = f"; in the other {never} it never does in {epochs} epochs" if never else ""
        sentences.append(
            f"{name} first reaches Norm-in-Norm's first-epoch level at epoch {span}{where}: {words}{rest}."
        )
    return sentences


def _has_marks(scale: Scale) -> bool:
    """Whether the authors' marks are of these runs: they made them for one backbone."""
    return scale.is_paper and scale.base == Scale().base


def _differing_marks(found: list[Crossing]) -> list[str]:
    differing = [one for one in found if one.marked is not None and one.epoch != one.marked]
    if not differing:
        return []
    places = "; ".join(
        f"{LOSS_NAMES[one.loss]}, {SPLIT_NAMES[one.split]} {one.metric}: computed {one.epoch or 'never'}, "
        f"marked {one.marked}"
        for one in differing
    )
    count = f"{len(differing)} place" + ("s" if len(differing) > 1 else "")
    return [f"The computed epochs differ from the authors' own marks in {count}: {places}."]


def _panels(results: Results, found: list[Crossing], epochs: int) -> list[list[Panel]]:
    by_place = {(one.loss, one.split, one.metric): one for one in found}
    grid = []
    for split in SPLITS:
        row = []
        for metric in METRICS:
            lines, level = [], None
            for need, curve in results.curves.items():
                if (need.split, need.metric) != (split, metric):
                    continue
                crossing = by_place[need.run.loss_type, split, metric]
                level = crossing.level
                mark = None if crossing.epoch is None or crossing.value is None else (crossing.epoch, crossing.value)
                lines.append(
                    Line(
                        LOSS_NAMES[need.run.loss_type],
                        curve.steps,
                        curve.values,
                        LOSS_STYLES[need.run.loss_type],
                        mark,
                        curve.last < epochs,
                    )
                )
            row.append(Panel("", f"{metric} ({SPLIT_NAMES[split]})", lines, level))
        grid.append(row)
    return grid


def _table(found: list[Crossing], scale: Scale) -> Table:
    columns = ["Loss", "Split", "Metric", "Level", "First epoch", *(["Authors' mark"] if _has_marks(scale) else [])]
    rows: list[list[Any]] = []
    for one in sorted(found, key=lambda one: LOSSES.index(one.loss)):
        marks = [one.marked] if _has_marks(scale) else []
        epoch = one.epoch if one.epoch is not None else "never"
        rows.append([LOSS_NAMES[one.loss], SPLIT_NAMES[one.split], one.metric, one.level, epoch, *marks])
    return Table("First epoch at which a loss reaches Norm-in-Norm's first-epoch level", columns, rows)


FIG1 = Item(
    name="fig1",
    title="Convergence of MAE, MSE and Norm-in-Norm",
    needs=needs,
    draw=draw,
    test_during_training=True,
)
