"""What makes one epoch better than another."""

from linearityiqa.config import Criterion


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
