"""What several items share: names and colours of the losses, plain values of curves, tests on both databases."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from linearityiqa.config import LossType
from linearityiqa.reproduce.compare import Comparison
from linearityiqa.reproduce.item import CurveNeed, PredictionsNeed, Results
from linearityiqa.reproduce.plan import LOSS_NAMES, Run, Scale
from linearityiqa.reproduce.published import published_figure
from linearityiqa.reproduce.results import Curve

LOSS_STYLES = {"norm-in-norm": 0, "mse": 1, "mae": 2}
"""Number of each loss's colour, the same in every figure."""
SPLIT_NAMES = {"train": "training", "val": "validation", "test": "test"}


def predictions_need(scale: Scale, run: Run, database: str) -> PredictionsNeed:
    """Predictions of a run on a database, with the authors' file for the runs of which they published them."""
    published = run == scale.base_run(loss_type=run.loss_type)
    return PredictionsNeed(run, database, f"npy/{database}-{LOSS_NAMES[run.loss_type]}.npy" if published else None)


def both_databases(scale: Scale, runs: Iterable[Run]) -> tuple[PredictionsNeed, ...]:
    """Each run tested on its own database and on the other one."""
    databases = (scale.training_set, scale.other_set)
    return tuple(predictions_need(scale, run, database) for run in runs for database in databases)


def loss_runs(scale: Scale, architecture: str, losses: Sequence[LossType], **options: Any) -> tuple[Run, ...]:
    """One run for each loss."""
    return tuple(scale.base_run(architecture=architecture, loss_type=loss, **options) for loss in losses)


def plain(values: NDArray[np.float64]) -> list[float | None]:
    """Numbers for JSON, which has no nan."""
    return [value if math.isfinite(value) else None for value in values.tolist()]


def curve_numbers(need: CurveNeed, curve: Curve) -> dict[str, Any]:
    """A curve as plain values for JSON."""
    return {
        "loss": need.run.loss_type,
        "options": need.run.options(),
        "split": need.split,
        "metric": need.metric,
        "epochs": curve.steps.tolist(),
        "values": plain(curve.values),
    }


def longest(curves: Iterable[Curve]) -> int:
    """The last epoch that any of the curves reaches: an undisturbed run of the item has that many."""
    return max((curve.last for curve in curves), default=0)


def curve_remarks(label: str, curve: Curve, epochs: int) -> list[str]:
    """What a reader must know of a curve: that its run diverged, or which epochs have no value."""
    remarks = []
    if curve.last < epochs:
        when = f"after epoch {curve.last} of {epochs}" if curve.last else "in its first epoch"
        remarks.append(f"{label}: the curve ends {when}; the run diverged.")
    if curve.gaps:
        epochs_word = "epoch" if len(curve.gaps) == 1 else "epochs"
        shown = ", ".join(map(str, curve.gaps[:10])) + (" ..." if len(curve.gaps) > 10 else "")
        remarks.append(f"{label}: no value at {epochs_word} {shown} (not a number).")
    return remarks


def figure_rows(results: Results, needs: Iterable[PredictionsNeed]) -> list[dict[str, Any]]:
    """Agreement of each run that is there, as plain values for JSON."""
    rows = []
    for need in needs:
        agreement = results.agreement(need)
        if agreement is not None:
            what = {"options": need.run.options(), "architecture": need.run.architecture, "loss": need.run.loss_type}
            rows.append({**what, "database": need.database, "n": agreement.n, **agreement.as_dict()})
    return rows


def comparisons(
    results: Results, scale: Scale, needs: Iterable[PredictionsNeed], metrics: Sequence[str]
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
