"""The best epoch of a run: what makes one better than another, and what is kept of it."""

import logging
from typing import Any

from linearityiqa.config import Criterion
from linearityiqa.mapping import LinearMapping
from linearityiqa.quality import QualityScores
from linearityiqa.training.session import Session
from linearityiqa.training.state import RunState

logger = logging.getLogger(__name__)


def judged_head(beta: tuple[float, float, float]) -> str:
    """The head whose validation figure chooses the best epoch: the fused one, or the only one that is trained."""
    if beta[1] + beta[2] == 0:
        return "stage3"
    if beta[0] + beta[2] == 0:
        return "stage4"
    return "fused"


def is_better(criterion: Criterion, value: float | None, best: float | None) -> bool:
    """Whether `value` beats `best`: a larger absolute correlation, or a smaller error; None is never better.

    >>> is_better("SROCC", -0.9, 0.8), is_better("RMSE", 9.0, 8.0), is_better("PLCC", None, None)
    (True, False, False)
    """
    if value is None:
        return False
    if best is None:
        return True
    return value < best if criterion == "RMSE" else abs(value) > abs(best)


def choose_best(
    state: RunState, rows: list[dict[str, Any]], mapping: QualityScores[LinearMapping] | None, session: Session
) -> None:
    """Keep weights and predictions of the epoch that has been evaluated in the state, where it is the best so far.

    Args:
        state: of the run, with the predictions of the epoch.
        rows: of metrics.csv for the epoch, that of the training set first.
        mapping: the lines fitted on the training set, where its predictions are known.
        session: the run.
    """
    options = session.config.optimiser
    criterion, head = options.val_criterion, judged_head(session.config.loss.beta)
    column = criterion if head == "fused" else f"{criterion}_{head}"
    value = next(row for row in rows if row["split"] == "val").get(column)
    logger.info(
        "epoch %d/%d: loss %.4g, validation %s %s",
        state.epoch,
        options.epochs,
        rows[0]["loss"],
        column,
        "not defined" if value is None else f"{value:.4f}",
    )
    if not state.best or is_better(criterion, value, state.best["value"]):
        weights = session.evaluated.state_dict()
        state.best = {
            "epoch": state.epoch,
            "value": value,
            "weights": {name: tensor.detach().cpu().clone() for name, tensor in weights.items()},
            "mapping": None if mapping is None else [[line.slope, line.intercept] for line in mapping],
            "scores": dict(state.scores),
        }
