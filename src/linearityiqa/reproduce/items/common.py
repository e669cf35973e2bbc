"""What several items share: names and colours of the losses, runs by loss, agreement as JSON, the published figures."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from linearityiqa.config import LossType
from linearityiqa.reproduce.item import Comparison, Gathered, PredictionsNeed
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
