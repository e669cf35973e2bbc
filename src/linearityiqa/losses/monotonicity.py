"""The pairwise monotonicity term that can be added to every loss."""

import torch

from linearityiqa.losses.batch import as_batches, outside_autocast, zero_with_graph


@outside_autocast
def monotonicity_loss(scores: torch.Tensor, mos: torch.Tensor, *, detach: bool = False) -> torch.Tensor:
    """Mean violation of the order of the MOS over all pairs, over 1 + the largest one, in [0, 1).

    R_ij = relu((x_i - x_j) * sign(y_j - y_i)); the term is sum(R) / (N (N - 1)) / (1 + max R).

    Args:
        scores: predictions of the whole batch, shape (N,) or (N, 1), any scale.
        mos: subjective scores, shape (N,) or (N, 1).
        detach: stop gradients through max R.

    Returns:
        The term, a scalar; 0 for a single image.

    Raises:
        ConfigError: shapes that differ from (N,) and (N, 1).
    """
    scores, mos = as_batches(scores, mos)
    n = len(scores)
    if n == 1:
        return zero_with_graph(scores)
    violations = torch.relu((scores[:, None] - scores[None, :]) * torch.sign(mos[None, :] - mos[:, None]))
    largest = violations.max().detach() if detach else violations.max()
    return violations.sum() / (n * (n - 1)) / (1 + largest)
