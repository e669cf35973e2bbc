"""Pieces that the batch-normalised losses share."""

from collections.abc import Callable

import torch

from linearityiqa.errors import ConfigError

Alpha = tuple[float, float]
EPS = 1e-8
"""Keeps every denominator positive (design of the published experiments)."""


def as_batches(scores: torch.Tensor, mos: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Both inputs as shape (N,).

    Raises:
        ConfigError: the shapes are neither (N,) nor (N, 1), or N differs or is 0.
    """
    for name, values in (("scores", scores), ("mos", mos)):
        if values.ndim not in (1, 2) or (values.ndim == 2 and values.shape[1] != 1):
            raise ConfigError(f"{name} must have shape (N,) or (N, 1), got {tuple(values.shape)}")
    if len(scores) != len(mos) or len(scores) == 0:
        raise ConfigError(f"scores and mos must hold the same images, at least one; got {len(scores)} and {len(mos)}")
    return scores.reshape(-1), mos.reshape(-1)


def zero_with_graph(scores: torch.Tensor) -> torch.Tensor:
    """0 that still has a gradient: the value of every batch-normalised loss on a single image."""
    return (scores * 0).sum()


def statistic(value: torch.Tensor, detach: bool) -> torch.Tensor:
    """A statistic of the predictions, without its gradient where `detach` asks for that."""
    return value.detach() if detach else value


def weighted_by_alpha(
    alpha: Alpha, plain: Callable[[], torch.Tensor], rescaled: Callable[[], torch.Tensor]
) -> torch.Tensor:
    """(alpha[0] * l + alpha[1] * l') / (alpha[0] + alpha[1]); a term of weight 0 is not evaluated.

    Raises:
        ConfigError: a negative weight, or both are 0.
    """
    if min(alpha) < 0 or sum(alpha) <= 0:
        raise ConfigError(f"alpha must be >= 0 with a positive sum, got {alpha}")
    terms = [weight * term() for weight, term in zip(alpha, (plain, rescaled), strict=True) if weight > 0]
    return torch.stack(terms).sum() / sum(alpha)


def cosine(u: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """Cosine of the angle between two vectors of shape (N,)."""
    return torch.nn.functional.cosine_similarity(u, v, dim=0, eps=EPS)
