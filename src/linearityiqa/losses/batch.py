"""Pieces that the losses share: what they take, in which precision they compute, and how terms are weighed."""

from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec

import torch

from linearityiqa.errors import ConfigError

Alpha = tuple[float, float]
P = ParamSpec("P")
EPS = 1e-8
"""Keeps every denominator positive (design of the published experiments)."""


def as_batches(scores: Any, mos: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """Both inputs as floating-point tensors of shape (N,), on the device of the scores, in float32 or wider.

    Half precision is widened: differences of nearly equal scores are what a normalised loss is made of.

    Args:
        scores: tensor, array or sequence of numbers.
        mos: the same; integers are as good as others.

    Raises:
        ConfigError: the shapes are neither (N,) nor (N, 1), N differs or is 0, or an input holds no real numbers.
    """
    x, y = _as_tensor("scores", scores), _as_tensor("mos", mos)
    for name, values in (("scores", x), ("mos", y)):
        if values.ndim not in (1, 2) or (values.ndim == 2 and values.shape[1] != 1):
            raise ConfigError(f"{name} must have shape (N,) or (N, 1), got {tuple(values.shape)}")
    if len(x) != len(y) or len(x) == 0:
        raise ConfigError(f"scores and mos must hold the same images, at least one; got {len(x)} and {len(y)}")
    dtype = torch.promote_types(x.dtype, torch.float32)  # the type of a network's parameters, not of the labels
    return x.reshape(-1).to(dtype), y.reshape(-1).to(device=x.device, dtype=dtype)


def _as_tensor(name: str, values: Any) -> torch.Tensor:
    try:
        tensor = torch.as_tensor(values)
    except (TypeError, ValueError, RuntimeError) as cause:
        raise ConfigError(f"{name} must be a tensor, an array or a sequence of numbers: {cause}") from cause
    if tensor.is_complex() or tensor.dtype == torch.bool:
        raise ConfigError(f"{name} must hold real numbers, got {tensor.dtype}")
    return tensor


def outside_autocast(loss: Callable[P, torch.Tensor]) -> Callable[P, torch.Tensor]:
    """A loss that computes in full precision wherever it is called: autocast would cast parts of it down again."""

    @wraps(loss)
    def whole(*arguments: P.args, **options: P.kwargs) -> torch.Tensor:
        with torch.autocast("cpu", enabled=False), torch.autocast("cuda", enabled=False):
            return loss(*arguments, **options)

    return whole


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
