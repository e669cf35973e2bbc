"""What several items share: names and colours of the losses, runs by loss, agreement as JSON, the published figures."""

import math
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from linearityiqa.config import LossType
from linearityiqa.quality import HEADS
from linearityiqa.reporting import COLUMN_WIDTH, Line, Panel, line_grid
from linearityiqa.reproduce.item import BhatNeed, Comparison, Drawn, Gathered, Item, Picture, PredictionsNeed
from linearityiqa.reproduce.paper import LOSS_NAMES, LOSSES, Run, Scale, published_figure

LOSS_STYLES = {"norm-in-norm": 0, "mse": 1, "mae": 2}
"""Number of each loss's colour, the same in every figure."""


def predictions_need(scale: Scale, run: Run, database: str) -> PredictionsNeed:
    """Predictions of a run on a database, with the authors' file for the runs of which they published them."""
    published = run == scale.base_run(loss_type=run.loss_type)
    return PredictionsNeed(run, database, f"npy/{database}-{LOSS_NAMES[run.loss_type]}.npy" if published else None)


def both_databases(scale: Scale, runs: Iterable[Run]) -> tuple[PredictionsNeed, ...]:
    """Each run tested on its own database and on the other one."""
    databases = (scale.training_set, scale.other_set)
    return tuple(predictions_need(scale, run, database) for run in runs for database in databases)


def loss_runs(scale: Scale, architecture: str, losses: Sequence[LossType] = LOSSES, **options: Any) -> tuple[Run, ...]:
    """One run for each loss."""
    return tuple(scale.base_run(architecture=architecture, loss_type=loss, **options) for loss in losses)


def plain(values: NDArray[np.float64]) -> list[float | None]:
    """Numbers for JSON, which has no nan."""
    return [value if math.isfinite(value) else None for value in values.tolist()]


def figure_rows(results: Gathered, needs: Iterable[PredictionsNeed]) -> list[dict[str, Any]]:
    """Agreement of each run that is there, as plain values for JSON."""
    rows = []
    for need in needs:
        agreement = results.agreement(need)
        if agreement is not None:
            what = {"options": need.run.options(), "architecture": need.run.architecture, "loss": need.run.loss_type}
            rows.append({**what, "database": need.database, "n": agreement.n, **agreement.as_dict()})
    return rows


def comparisons(
    results: Gathered, scale: Scale, needs: Iterable[PredictionsNeed], metrics: Sequence[str]
) -> tuple[Comparison, ...]:
    """Computed beside the published figures, where both exist; none at another scale than the paper's."""
    found = []
    for need in needs if scale.is_paper else ():
        have = results.predictions.get(need)
        for metric in metrics:
            published, computed = published_figure(need.run, need.database, metric), results.figure(need, metric)
            if have is None or published is None or computed is None:
                continue
            alpha = f", alpha {need.run.alpha[0]:g} {need.run.alpha[1]:g}" if need.run.alpha != (1.0, 0.0) else ""
            name = f"{metric} on {need.database}, {need.run.architecture}, {LOSS_NAMES[need.run.loss_type]}{alpha}"
            found.append(Comparison(name, computed, published.value, published.source, have.interval(metric)))
    return tuple(found)


HEAD_NAMES = {"fused": "fused", "stage4": "stage 4", "stage3": "stage 3"}
"""Heads in the order of the legend: from the largest norm b to the smallest in the authors' log."""


def _bhat_needs(scale: Scale) -> tuple[BhatNeed, ...]:
    return (BhatNeed(scale.base_run(), "bhat.log"),)


def _draw_bhat(results: Gathered, scale: Scale, *, by_epoch: bool) -> Drawn:
    """The norm b of each head, in every training batch or as the mean of every epoch."""
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


FIGA1, FIGA2 = (
    Item(name=name, title=title, needs=_bhat_needs, draw=partial(_draw_bhat, by_epoch=by_epoch), log_bhat=True)
    for name, title, by_epoch in (
        ("figA1", "The norm b by iteration", False),
        ("figA2", "The norm b by epoch", True),
    )
)
