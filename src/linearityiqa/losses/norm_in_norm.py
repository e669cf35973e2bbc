"""The Norm-in-Norm loss."""

import torch

from linearityiqa.errors import ConfigError
from linearityiqa.losses.batch import (
    EPS,
    Alpha,
    as_batches,
    cosine,
    outside_autocast,
    statistic,
    weighted_by_alpha,
    zero_with_graph,
)


@outside_autocast
def norm_in_norm_loss(
    scores: torch.Tensor,
    mos: torch.Tensor,
    *,
    p: float = 1.0,
    q: float = 2.0,
    alpha: Alpha = (1.0, 0.0),
    detach: bool = False,
) -> torch.Tensor:
    """Norm-in-Norm loss (Li et al., ACM MM 2020, eq. 4 to 8), in [0, 1].

    Scores and MOS are centred and divided by the q-norm of what remains; the p-norm of their difference, over its
    largest possible value, is raised to p. With p = q = 2 it equals (1 - PLCC) / 2.

    Args:
        scores: predictions of the whole batch, shape (N,) or (N, 1), any scale.
        mos: subjective scores, shape (N,) or (N, 1), any scale.
        p: exponent of the norm of the error, > 0.
        q: exponent of the normalising norm, > 0.
        alpha: weights of the loss and of its variant that first scales the scores by their cosine with the MOS.
        detach: stop gradients through the mean and the norm of the scores.

    Returns:
        The loss, a scalar; 0 for a single image.

    Raises:
        ConfigError: shapes that differ from (N,) and (N, 1), p or q <= 0, or an alpha without a positive sum.

    >>> import torch
    >>> round(float(norm_in_norm_loss(torch.tensor([3.0, 2.0, 1.0]), torch.tensor([1.0, 2.0, 3.0]), p=2.0)), 6)
    1.0
    """
    if p <= 0 or q <= 0:
        raise ConfigError(f"p and q must be > 0, got p = {p}, q = {q}")
    scores, mos = as_batches(scores, mos)
    if len(scores) == 1:
        return zero_with_graph(scores)
    u = _centred_over_norm(scores, q, detach)
    v = _centred_over_norm(mos, q, detach=False)
    largest = 2 ** max(1.0, 1 / q) * len(scores) ** max(0.0, 1 / p - 1 / q)

    def error(normalised: torch.Tensor) -> torch.Tensor:
        difference = normalised - v
        if p < 1:
            # the p-norm's gradient is infinite where a component is 0
            difference = difference + EPS
        return torch.pow(torch.linalg.vector_norm(difference, ord=p) / largest, p)

    return weighted_by_alpha(alpha, lambda: error(u), lambda: error(cosine(u, v) * u))


def _centred_over_norm(values: torch.Tensor, q: float, detach: bool) -> torch.Tensor:
    centred = values - statistic(values.mean(), detach)
    return centred / (EPS + statistic(torch.linalg.vector_norm(centred, ord=q), detach))


class NormInNormLoss(torch.nn.Module):
    """`norm_in_norm_loss` as a module, for use in any training loop."""

    def __init__(self, p: float = 1.0, q: float = 2.0, *, alpha: Alpha = (1.0, 0.0), detach: bool = False) -> None:
        super().__init__()
        self.p, self.q, self.alpha, self.detach = p, q, alpha, detach

    def forward(self, scores: torch.Tensor, mos: torch.Tensor) -> torch.Tensor:
        """The loss of a batch; see `norm_in_norm_loss`."""
        return norm_in_norm_loss(scores, mos, p=self.p, q=self.q, alpha=self.alpha, detach=self.detach)

    def extra_repr(self) -> str:
        """The parameters, as printed inside the module's representation."""
        return f"p={self.p:g}, q={self.q:g}, alpha={self.alpha}, detach={self.detach}"
