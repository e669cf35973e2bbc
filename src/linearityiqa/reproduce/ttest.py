"""The t-test of the losses over repeated random splits."""

from collections.abc import Mapping, Sequence
from typing import Any

from linearityiqa.config import LossType
from linearityiqa.metrics import LEVEL, compare_over_splits
from linearityiqa.reporting import Cell, Table
from linearityiqa.reproduce.item import Drawn, Gathered, Item, PredictionsNeed, figure_rows, predictions_need
from linearityiqa.reproduce.paper import LOSS_NAMES, LOSSES, Scale


def _split_needs(scale: Scale) -> dict[str, tuple[PredictionsNeed, ...]]:
    """Return one need a loss for each split."""
    return {
        str(split): tuple(
            predictions_need(scale, run, scale.repeated_set)
            for run in scale.loss_runs(scale.repeated, dataset=scale.repeated_set, exp_id=split)
        )
        for split in range(scale.splits)
    }


def _all_split_needs(scale: Scale) -> tuple[PredictionsNeed, ...]:
    return tuple(need for row in _split_needs(scale).values() for need in row)


def _draw_t_test(results: Gathered, scale: Scale) -> Drawn:
    """Draw PLCC of each split, and the paired t-test of Norm-in-Norm against the other losses."""
    rows: list[list[Cell]] = [
        [split, *(results.figure(need, "PLCC") for need in needs)] for split, needs in _split_needs(scale).items()
    ]
    plcc = dict(zip(LOSSES, zip(*(row[1:] for row in rows if None not in row), strict=True), strict=False))
    tests = [_paired_test(plcc, loss) for loss in LOSSES if loss != "norm-in-norm"]
    where = f"test sets of {scale.repeated_set}, backbone {scale.repeated}"
    shown: list[list[Cell]] = [
        [f"Norm-in-Norm - {LOSS_NAMES[test['against']]}", test["splits"], test["difference"], test["t"],
         None if test["p"] is None else f"{test['p']:.3g}"]
        for test in tests
    ]  # fmt: skip
    columns = ["PLCC difference", "Splits", "Mean", "t", "p (two-sided)"]
    return Drawn(
        numbers={"agreement": figure_rows(results, _all_split_needs(scale)), "tests": tests},
        tables={
            "ttest-splits": Table(f"PLCC by split: {where}", ["Split", *(LOSS_NAMES[loss] for loss in LOSSES)], rows),
            "ttest": Table(f"Paired t-test of PLCC: {where}", columns, shown),
        },
        sentences=tuple(_verdict(test) for test in tests),
    )


def _paired_test(plcc: Mapping[LossType, Sequence[Any]], loss: LossType) -> dict[str, Any]:
    """Test Norm-in-Norm's PLCC against a loss's over complete splits: mean difference, t and p; None: no test."""
    ours, other = plcc.get("norm-in-norm", ()), plcc.get(loss, ())
    if len(ours) < 2:
        return {"against": loss, "splits": len(ours), "difference": None, "t": None, "p": None}
    found = compare_over_splits(ours, other)
    return {"against": loss, "splits": found.splits, "difference": found.difference, "t": found.t, "p": found.p}


def _verdict(test: dict[str, Any]) -> str:
    name = LOSS_NAMES[test["against"]]
    if test["p"] is None:
        return f"Norm-in-Norm against {name}: no t-test, which needs two complete splits that differ."
    verdict = "is" if test["p"] < LEVEL else "is not"
    return (
        f"Norm-in-Norm against {name}: PLCC {test['difference']:+.4f} on average over {test['splits']} splits, which "
        f"{verdict} significant at the level {LEVEL:g} (paired t-test, p = {test['p']:.3g})."
    )


TTEST = Item(
    name="ttest",
    title="Paired t-test of the losses over repeated splits",
    needs=_all_split_needs,
    draw=_draw_t_test,
    partial=True,
)
