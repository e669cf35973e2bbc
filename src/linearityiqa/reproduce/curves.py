"""Curves: figures 1, 4 and 5, agreement by epoch; figures A1 and A2, the norm b of the centred predictions."""

import math
from collections.abc import Iterable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from linearityiqa.config import LossType
from linearityiqa.errors import DataError
from linearityiqa.metrics import is_error
from linearityiqa.quality import HEADS, MAIN_FIGURES, PAPER_FIGURES
from linearityiqa.reporting import COLUMN_WIDTH, Line, Panel, Table, line_grid
from linearityiqa.reproduce.item import BhatNeed, CurveNeed, Drawn, Gathered, Item, Picture, SplitOfCurve, curve_need
from linearityiqa.reproduce.paper import LOSS_NAMES, LOSS_STYLES, LOSSES, Scale, published_mark
from linearityiqa.run_folders import Curve

SPLIT_NAMES: dict[SplitOfCurve, str] = {"train": "training", "val": "validation", "test": "test"}

SWEEPS: dict[str, tuple[str, dict[str, float]]] = {
    # short name in the authors' files: option, and its values as they write them
    "lr": ("learning_rate", {"1e-3": 1e-3, "1e-4": 1e-4, "1e-5": 1e-5}),
    "bs": ("batch_size", {"4": 4, "8": 8, "16": 16}),
    "ft_lr_ratio": ("ft_lr_ratio", {"0": 0.0, "0.01": 0.01, "0.1": 0.1, "1": 1.0}),
}
SWEEP_NAMES = {"lr": "learning rate", "bs": "batch size", "ft_lr_ratio": "backbone's share of the learning rate"}
SWEEP_LABELS = SWEEP_NAMES | {"ft_lr_ratio": "ft_lr_ratio"}
"""Their names as short as a legend needs them."""
HEAD_NAMES = {"fused": "fused", "stage4": "stage 4", "stage3": "stage 3"}
"""Heads in the order of the legend: from the largest norm b to the smallest in the authors' log."""


class Crossing(NamedTuple):
    """First epoch at which a loss reaches the level that Norm-in-Norm has after its first epoch.

    `epoch` is None where it never does; `marked` is the authors' mark, None where they made none.
    """

    loss: LossType
    split: SplitOfCurve
    metric: str
    level: float
    epoch: int | None
    value: float | None
    marked: int | None


def _convergence_needs(scale: Scale) -> tuple[CurveNeed, ...]:
    return tuple(
        curve_need(scale, run, split, metric)
        for split in SPLIT_NAMES
        for metric in PAPER_FIGURES
        for run in scale.loss_runs(scale.base)
    )


def _draw_convergence(results: Gathered, scale: Scale) -> Drawn:
    """Draw nine panels, the table of crossings, and the speed-up in words."""
    found = _crossings(results, scale)
    others = [one for one in found.values() if one.loss != "norm-in-norm"]
    epochs = _longest(results.curves.values())
    lines: dict[tuple[str, str], list[Line]] = {}
    remarks: list[str] = []
    for need, curve in results.curves.items():
        name, crossing = LOSS_NAMES[need.run.loss_type], found[need]
        mark = None if crossing.epoch is None or crossing.value is None else (crossing.epoch, crossing.value)
        line = Line(name, curve.steps, curve.values, LOSS_STYLES[need.run.loss_type], mark, curve.last < epochs)
        lines.setdefault((need.split, need.metric), []).append(line)
        remarks += curve_remarks(f"{name}, {need.split} {need.metric}", curve, epochs)
    levels = {(one.split, one.metric): one.level for one in found.values()}
    grid = [
        [Panel("", f"{metric} ({words})", lines[split, metric], levels[split, metric]) for metric in PAPER_FIGURES]
        for split, words in SPLIT_NAMES.items()
    ]
    caption = (
        f"Metrics by epoch on the training, validation and test set of {scale.training_set}. The dashed line is "
        "Norm-in-Norm's level after its first epoch; a star marks the first epoch at which each loss reaches it."
    )
    return Drawn(
        numbers={
            "curves": [curve_numbers(need, curve) for need, curve in results.curves.items()],
            "crossings": [one._asdict() for one in found.values()],
        },
        pictures={"fig1": Picture(line_grid(grid), caption)},
        tables={"fig1-epochs": _crossing_table(others)},
        sentences=(*_speed_up(others, epochs), *_differing_marks(others), *remarks),
    )


def _crossings(results: Gathered, scale: Scale) -> dict[CurveNeed, Crossing]:
    levels = {
        (need.split, need.metric): curve.at(1)
        for need, curve in results.curves.items()
        if need.run.loss_type == "norm-in-norm"
    }
    with_marks = scale.is_paper and scale.base == Scale().base  # the authors made them for one backbone
    found = {}
    for need, curve in results.curves.items():
        loss, level = need.run.loss_type, levels[need.split, need.metric]
        if np.isnan(level):
            raise DataError(f"Norm-in-Norm has no {need.split} {need.metric} at epoch 1, which figure 1 compares with.")
        epoch = curve.first_reaching(level, lower_is_better=is_error(need.metric))
        value = None if epoch is None else curve.at(epoch)
        mark = published_mark(loss, need.split, need.metric) if with_marks else None
        found[need] = Crossing(loss, need.split, need.metric, level, epoch, value, mark)
    return found


def _speed_up(found: list[Crossing], epochs: int) -> list[str]:
    """Say how many times fewer epochs Norm-in-Norm takes than each other loss."""
    sentences = []
    for loss in dict.fromkeys(one.loss for one in found):
        reached = [one.epoch for one in found if one.loss == loss and one.epoch is not None]
        never = sum(one.loss == loss and one.epoch is None for one in found)
        name = LOSS_NAMES[loss]
        if not reached:
            sentences.append(f"{name} never reaches Norm-in-Norm's first-epoch level in {epochs} epochs.")
            continue
        low, high = min(reached), max(reached)
        span, when = (f"{low}", f"epoch {low}") if low == high else (f"{low} to {high}", f"epochs {low} to {high}")
        words = "no speed-up: it is as good after one epoch" if high == 1 else f"a speed-up of {span} times in epochs"
        where = f" in {len(reached)} of {len(reached) + never} panels" if never else ""
        rest = f"; in the other {never} it never does in {epochs} epochs" if never else ""
        sentences.append(f"{name} first reaches Norm-in-Norm's first-epoch level at {when}{where}: {words}{rest}.")
    return sentences


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


def _crossing_table(found: list[Crossing]) -> Table:
    marked = any(one.marked is not None for one in found)
    rows: list[list[Any]] = [
        [LOSS_NAMES[one.loss], SPLIT_NAMES[one.split], one.metric, one.level,
         "never" if one.epoch is None else one.epoch, *([one.marked] if marked else [])]
        for one in sorted(found, key=lambda one: LOSSES.index(one.loss))
    ]  # fmt: skip
    columns = ["Loss", "Split", "Metric", "Level", "First epoch", *(["Authors' mark"] if marked else [])]
    return Table("First epoch at which a loss reaches Norm-in-Norm's first-epoch level", columns, rows)


def _normalised_needs(scale: Scale) -> tuple[CurveNeed, ...]:
    """Return the needs of validation SROCC and PLCC of Norm-in-Norm, MSE, and MSE with batch normalisation."""
    runs = {
        "Norm-in-Norm": scale.base_run(),
        "MSE": scale.base_run(loss_type="mse"),
        "bnMSE": scale.base_run(loss_type="mse", use_bn_end=True),
    }
    return tuple(
        CurveNeed(run, "val", metric, f"csv/{name}_{metric}.csv")
        for metric in MAIN_FIGURES
        for name, run in runs.items()
    )


def _draw_normalised(results: Gathered, scale: Scale) -> Drawn:
    """Draw one panel a metric."""
    epochs = _longest(results.curves.values())
    lines: dict[str, list[Line]] = {}
    remarks: list[str] = []
    for need, curve in results.curves.items():
        loss = need.run.loss_type
        label, style = (
            ("MSE + batch normalisation", 3) if need.run.use_bn_end else (LOSS_NAMES[loss], LOSS_STYLES[loss])
        )
        line = Line(label, curve.steps, curve.values, style, ended=curve.last < epochs)
        lines.setdefault(need.metric, []).append(line)
        remarks += curve_remarks(f"{label}, {need.metric}", curve, epochs)
    panels = [Panel("", f"{metric} (validation)", own) for metric, own in lines.items()]
    caption = (
        f"SROCC and PLCC by epoch on the validation set of {scale.training_set}: Norm-in-Norm, MSE, and MSE with a "
        "batch normalisation of the predictions."
    )
    return Drawn(
        numbers={"curves": [curve_numbers(need, curve) for need, curve in results.curves.items()]},
        pictures={"fig4": Picture(line_grid([panels], width=5.0, panel_height=1.9), caption)},
        sentences=tuple(remarks),
    )


def _sweep_needs(scale: Scale, sweep: str, loss: LossType) -> dict[str, CurveNeed]:
    """Return the curve of each value of a sweep, with one loss."""
    option, values = SWEEPS[sweep]
    found = {}
    for text, value in values.items():
        run = scale.base_run(architecture=scale.sweep, loss_type=loss, **{option: value})
        file = f"csv/loss={loss}-{sweep}={text}-val_{scale.training_set}_PLCC.csv"
        found[text] = CurveNeed(run, "val", "PLCC", file)
    return found


def _all_sweep_needs(scale: Scale) -> tuple[CurveNeed, ...]:
    # value by value, so that all losses of a value are trained before the next value
    return tuple(
        _sweep_needs(scale, sweep, loss)[text] for sweep in SWEEPS for text in SWEEPS[sweep][1] for loss in LOSSES
    )


def _draw_sweeps(results: Gathered, scale: Scale) -> Drawn:
    """Draw one figure a sweep, one panel a loss."""
    epochs = _longest(results.curves.values())
    pictures, remarks = {}, []
    numbers: dict[str, list[Any]] = {}
    for sweep, words in SWEEP_NAMES.items():
        panels = []
        for loss in LOSSES:
            lines, ended = [], []
            for style, (text, need) in enumerate(_sweep_needs(scale, sweep, loss).items()):
                curve, label = results.curves[need], f"{SWEEP_LABELS[sweep]} {text}"
                lines.append(Line(label, curve.steps, curve.values, style, ended=curve.last < epochs))
                if curve.last < epochs:
                    ended.append(f"{label} diverged\n(epoch {curve.last + 1})")
                remarks += curve_remarks(f"{LOSS_NAMES[loss]}, {words} {text}", curve, epochs)
                numbers.setdefault(sweep, []).append({"value": text, **curve_numbers(need, curve)})
            panels.append(Panel(LOSS_NAMES[loss], "PLCC (validation)", lines, note="\n".join(ended)))
        caption = (
            f"{words.capitalize()}: PLCC by epoch on the validation set of {scale.training_set}, backbone "
            f"{scale.sweep}. A cross ends the curve of a run that diverged."
        )
        pictures[f"fig5-{sweep}"] = Picture(line_grid([panels], share_y=True, panel_height=1.9), caption)
    return Drawn(numbers=numbers, pictures=pictures, sentences=tuple(remarks))


def _bhat_needs(scale: Scale) -> tuple[BhatNeed, ...]:
    return (BhatNeed(scale.base_run(), "bhat.log"),)


def _draw_bhat(results: Gathered, scale: Scale, *, by_epoch: bool) -> Drawn:
    """Draw the norm b of each head, in every training batch or as the mean of every epoch."""
    (log,) = results.bhat.values()
    values = log.epoch_means() if by_epoch else log.values
    steps = np.arange(1, len(values.fused) + 1)
    lines = [Line(name, steps, getattr(values, head), style) for style, (head, name) in enumerate(HEAD_NAMES.items())]
    panel = Panel("", "Norm b (mean of the epoch)" if by_epoch else "Norm b", lines)
    figure = line_grid([[panel]], x_label="Epoch" if by_epoch else "Iteration", width=COLUMN_WIDTH, panel_height=2.0)
    caption = "Norm b of each head's centred predictions"
    caption += ", mean over the training batches of each epoch" if by_epoch else " in every training batch"
    caption += " of the base run."
    if scale.is_paper and not by_epoch:  # 7058 = 882 x 8 + 2
        caption += " The regular dips are the last batch of each epoch, of two images."
    first = {"epochs": steps.tolist()} if by_epoch else {"iterations_per_epoch": log.iterations_per_epoch}
    rest = len(log) % log.iterations_per_epoch
    return Drawn(
        numbers={**first, **{head: plain(getattr(values, head)) for head in HEADS}},
        pictures={"figA2" if by_epoch else "figA1": Picture(figure, caption)},
        sentences=(f"The last epoch has {rest} of {log.iterations_per_epoch} iterations.",) if rest else (),
    )


def curve_numbers(need: CurveNeed, curve: Curve) -> dict[str, Any]:
    """Return a curve as plain values for JSON."""
    return {
        "loss": need.run.loss_type,
        "options": need.run.options(),
        "split": need.split,
        "metric": need.metric,
        "epochs": curve.steps.tolist(),
        "values": plain(curve.values),
    }


def plain(values: NDArray[np.float64]) -> list[float | None]:
    """Return numbers for JSON, which has no nan."""
    return [value if math.isfinite(value) else None for value in values.tolist()]


def _longest(curves: Iterable[Curve]) -> int:
    """Return the last epoch that any of the curves reaches, which is that of an undisturbed run."""
    return max((curve.last for curve in curves), default=0)


def curve_remarks(label: str, curve: Curve, epochs: int) -> list[str]:
    """Say that the run of a curve diverged, or which epochs have no value."""
    remarks = []
    if curve.last < epochs:
        when = f"after epoch {curve.last} of {epochs}" if curve.last else "in its first epoch"
        remarks.append(f"{label}: the curve ends {when}; the run diverged.")
    if curve.gaps:
        epochs_word = "epoch" if len(curve.gaps) == 1 else "epochs"
        shown = ", ".join(map(str, curve.gaps[:10])) + (" ..." if len(curve.gaps) > 10 else "")
        remarks.append(f"{label}: no value at {epochs_word} {shown} (not a number).")
    return remarks


FIG1 = Item(
    name="fig1",
    title="Convergence of MAE, MSE and Norm-in-Norm",
    needs=_convergence_needs,
    draw=_draw_convergence,
    test_during_training=True,
)
FIG4 = Item(
    name="fig4",
    title="Norm-in-Norm against MSE with batch normalisation of the predictions",
    needs=_normalised_needs,
    draw=_draw_normalised,
    test_during_training=True,
)
FIG5 = Item(
    name="fig5",
    title="Convergence by learning rate, batch size and the backbone's learning rate",
    needs=_all_sweep_needs,
    draw=_draw_sweeps,
)
FIGA1, FIGA2 = (
    Item(name=name, title=title, needs=_bhat_needs, draw=partial(_draw_bhat, by_epoch=by_epoch), log_bhat=True)
    for name, title, by_epoch in (
        ("figA1", "The norm b by iteration", False),
        ("figA2", "The norm b by epoch", True),
    )
)
