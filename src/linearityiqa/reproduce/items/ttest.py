"""Paired t-test of the losses over repeated splits."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from linearityiqa.config import LossType
from linearityiqa.extras import require
from linearityiqa.reporting import Cell, Table
from linearityiqa.reproduce.item import Drawn, Item, PredictionsNeed, Results
from linearityiqa.reproduce.items.common import figure_rows, loss_runs, predictions_need
from linearityiqa.reproduce.plan import LOSS_NAMES, LOSSES, Scale

LEVEL = 0.05
"""Significance level of the verdict."""


def _split_needs(scale: Scale) -> dict[int, list[PredictionsNeed]]:
    """For each split, one need for each loss."""
    return {
        split: [
            predictions_need(scale, run, scale.repeated_set)
            for run in loss_runs(scale, scale.repeated, LOSSES, dataset=scale.repeated_set, exp_id=split)
        ]
        for split in range(scale.splits)
    }


def needs(scale: Scale) -> tuple[PredictionsNeed, ...]:
    """Every split with every loss, trained and tested on the smaller database."""
    return tuple(need for row in _split_needs(scale).values() for need in row)


def draw(results: Results, scale: Scale) -> Drawn:
    """PLCC of each split, and the paired t-test of Norm-in-Norm against the other losses."""
    by_split = {split: [results.figure(need, "PLCC") for need in row] for split, row in _split_needs(scale).items()}
    rows: list[list[Cell]] = [[str(split), *values] for split, values in by_split.items()]
    whole = np.array([values for values in by_split.values() if None not in values], dtype=np.float64)
    tests = [_paired_test(whole, loss) for loss in LOSSES if loss != "norm-in-norm"]
    names = [LOSS_NAMES[loss] for loss in LOSSES]
    where = f"test sets of {scale.repeated_set}, backbone {scale.repeated}"
    return Drawn(
        numbers={"agreement": figure_rows(results, needs(scale)), "tests": tests},
        tables={
            "ttest-splits": Table(f"PLCC by split: {where}", ["Split", *names], rows),
            "ttest": _test_table(tests, where),
        },
        sentences=tuple(_verdict(test) for test in tests),
    )


def _paired_test(whole: NDArray[np.float64], loss: LossType) -> dict[str, Any]:
    """Mean difference of PLCC, t and p of Norm-in-Norm against a loss over the splits that both have; None: no test."""
    test: dict[str, Any] = {"against": loss, "splits": len(whole), "difference": None, "t": None, "p": None}
    if len(whole) < 2:
        return test
    ours, other = whole[:, LOSSES.index("norm-in-norm")], whole[:, LOSSES.index(loss)]
    test["difference"] = float(np.mean(ours - other))
    if np.ptp(ours - other) > 0:  # equal differences have no variance to test against
        result = require("scipy.stats", "metrics").ttest_rel(ours, other)
        test |= {"t": float(result.statistic), "p": float(result.pvalue)}
    return test


def _test_table(tests: list[dict[str, Any]], where: str) -> Table:
    rows: list[list[Cell]] = [
        [
            f"Norm-in-Norm - {LOSS_NAMES[test['against']]}",
            test["splits"],
            test["difference"],
            test["t"],
            None if test["p"] is None else f"{test['p']:.3g}",
        ]
        for test in tests
    ]
    columns = ["PLCC difference", "Splits", "Mean", "t", "p (two-sided)"]
    return Table(f"Paired t-test of PLCC: {where}", columns, rows)


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
    name="ttest", title="Paired t-test of the losses over repeated splits", needs=needs, draw=draw, partial=True
)
