"""Losses of one head: Norm-in-Norm, the batch-normalised losses that the paper compares it with, and monotonicity."""

import math
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec

import torch
from torch import Tensor

from linearityiqa.errors import ConfigError

Alpha = tuple[float, float]
P = ParamSpec("P")
EPS = 1e-8
"""Keeps every denominator positive (design of the published experiments)."""


def as_batches(scores: Any, mos: Any) -> tuple[Tensor, Tensor]:
    """Return scores and MOS as tensors of shape (N,), on the device of the scores, in float32 or wider.

    Half precision is widened: a normalised loss is made of differences of nearly equal scores.
    """
    x, y = _as_tensor("scores", scores), _as_tensor("mos", mos)
    if len(x) != len(y) or len(x) == 0:
        raise ConfigError(f"scores and mos must hold the same images, at least one; got {len(x)} and {len(y)}")
    dtype = torch.promote_types(x.dtype, torch.float32)  # the type of a network's parameters, not of the labels
    return x.reshape(-1).to(dtype), y.reshape(-1).to(device=x.device, dtype=dtype)


def _as_tensor(name: str, values: Any) -> Tensor:
    try:
        tensor = torch.as_tensor(values)
    except (TypeError, ValueError, RuntimeError) as cause:
        raise ConfigError(f"{name} must be a tensor, an array or a sequence of numbers: {cause}") from cause
    if tensor.is_complex() or tensor.dtype == torch.bool:
        raise ConfigError(f"{name} must hold real numbers, got {tensor.dtype}")
    if tensor.ndim not in (1, 2) or (tensor.ndim == 2 and tensor.shape[1] != 1):
        raise ConfigError(f"{name} must have shape (N,) or (N, 1), got {tuple(tensor.shape)}")
    return tensor


def outside_autocast(loss: Callable[P, Tensor]) -> Callable[P, Tensor]:
    """Make a loss compute in full precision wherever it is called: autocast would cast parts of it down again."""

    @wraps(loss)
    def whole(*arguments: P.args, **options: P.kwargs) -> Tensor:
        with torch.autocast("cpu", enabled=False), torch.autocast("cuda", enabled=False):
            return loss(*arguments, **options)

    return whole


def norm_in_norm_loss(
    scores: Tensor,
    mos: Tensor,
    *,
    p: float = 1.0,
    q: float = 2.0,
    alpha: Alpha = (1.0, 0.0),
    detach: bool = False,
) -> Tensor:
    """Norm-in-Norm loss (Li et al., ACM MM 2020, eq. 4 to 8), in [0, 1].

    Scores and MOS are centred and divided by the q-norm of what remains; the p-norm of their difference, over its
    largest possible value, is raised to p. With p = q = 2 it equals (1 - PLCC) / 2.

    Args:
        scores: predictions of the whole batch, shape (N,) or (N, 1), any scale.
        mos: subjective scores, shape (N,) or (N, 1), any scale.
        p: exponent of the norm of the error, > 0 and finite: the norm is raised to it.
        q: exponent of the normalising norm, > 0.
        alpha: weights of the loss and of its variant that first scales the scores by their cosine with the MOS.
        detach: stop gradients through the mean and the norm of the scores.

    Returns:
        The loss, a scalar; 0 for a single image.

    Raises:
        ConfigError: shapes that differ from (N,) and (N, 1), p or q <= 0, an infinite p, or an alpha without a positive
            sum.

    >>> import torch
    >>> round(float(norm_in_norm_loss(torch.tensor([3.0, 2.0, 1.0]), torch.tensor([1.0, 2.0, 3.0]), p=2.0)), 6)
    1.0
    """
    if not (0 < p < math.inf and q > 0):  # also where one is not a number
        raise ConfigError(f"p and q must be > 0, and p finite, got p = {p}, q = {q}")

    def centred_over_norm(values: Tensor, detach: bool) -> Tensor:
        centred = values - _statistic(values.mean(), detach)
        return centred / (EPS + _statistic(torch.linalg.vector_norm(centred, ord=q), detach))

    def error(u: Tensor, v: Tensor) -> Tensor:
        largest = 2 ** max(1.0, 1 / q) * len(u) ** max(0.0, 1 / p - 1 / q)
        difference = u - v
        if p < 1:
            # the p-norm's gradient is infinite where a component is 0
            difference = difference + EPS
        return torch.pow(torch.linalg.vector_norm(difference, ord=p) / largest, p)

    return _normalised_loss(scores, mos, centred_over_norm, error, alpha, detach)


class NormInNormLoss(torch.nn.Module):
    """`norm_in_norm_loss` as a module, for use in any training loop."""

    def __init__(self, p: float = 1.0, q: float = 2.0, *, alpha: Alpha = (1.0, 0.0), detach: bool = False) -> None:
        super().__init__()
        self.p, self.q, self.alpha, self.detach = p, q, alpha, detach

    def forward(self, scores: Tensor, mos: Tensor) -> Tensor:
        """Return the loss of a batch."""
        return norm_in_norm_loss(scores, mos, p=self.p, q=self.q, alpha=self.alpha, detach=self.detach)

    def extra_repr(self) -> str:
        """Return the parameters, as printed inside the module's representation."""
        return f"p={self.p:g}, q={self.q:g}, alpha={self.alpha}, detach={self.detach}"


def linearity_loss(scores: Tensor, mos: Tensor, *, alpha: Alpha = (1.0, 0.0), detach: bool = False) -> Tensor:
    """Mean square error of z-scores over 4, in [0, 1]: (1 - PLCC) / 2 (Li et al., ACM MM 2020).

    Args:
        scores: predictions of the whole batch, shape (N,) or (N, 1), any scale.
        mos: subjective scores, shape (N,) or (N, 1), any scale.
        alpha: weights of the loss and of its variant that first scales the scores by their correlation.
        detach: stop gradients through the mean and the standard deviation of the scores.

    Returns:
        The loss, a scalar; 0 for a single image.

    Raises:
        ConfigError: shapes that differ from (N,) and (N, 1), or an alpha without a positive sum.
    """
    return _normalised_loss(scores, mos, _z_score, _quarter_mse, alpha, detach, rho=lambda u, v: (u * v).mean())


def min_max_norm_loss(scores: Tensor, mos: Tensor, *, alpha: Alpha = (1.0, 0.0), detach: bool = False) -> Tensor:
    """Mean square error of scores mapped to [0, 1] by their extremes; arguments as in `linearity_loss`."""
    return _normalised_loss(scores, mos, _min_max, torch.nn.functional.mse_loss, alpha, detach)


def mean_norm_loss(scores: Tensor, mos: Tensor, *, alpha: Alpha = (1.0, 0.0), detach: bool = False) -> Tensor:
    """Mean square error of centred scores over their range, over 4; arguments as in `linearity_loss`."""
    return _normalised_loss(scores, mos, _mean_over_range, _quarter_mse, alpha, detach)


def scaling_loss(
    scores: Tensor, mos: Tensor, *, p: float = 1.0, alpha: Alpha = (1.0, 0.0), detach: bool = False
) -> Tensor:
    """Mean square error of scores over their p-norm, over 4, without centring; arguments as in `linearity_loss`.

    Raises:
        ConfigError: as `linearity_loss`, and p <= 0.
    """
    if not p > 0:
        raise ConfigError(f"p must be > 0, got {p}")

    def over_norm(values: Tensor, detach: bool) -> Tensor:
        return values / (EPS + _statistic(torch.linalg.vector_norm(values, ord=p), detach))

    return _normalised_loss(scores, mos, over_norm, _quarter_mse, alpha, detach)


@outside_autocast
def monotonicity_loss(scores: Tensor, mos: Tensor, *, detach: bool = False) -> Tensor:
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
        return _zero_with_graph(scores)
    violations = torch.relu((scores[:, None] - scores[None, :]) * torch.sign(mos[None, :] - mos[:, None]))
    return violations.sum() / (n * (n - 1)) / (1 + _statistic(violations.max(), detach))


def _cosine(u: Tensor, v: Tensor) -> Tensor:
    return torch.nn.functional.cosine_similarity(u, v, dim=0, eps=EPS)


@outside_autocast
def _normalised_loss(
    scores: Tensor,
    mos: Tensor,
    normalise: Callable[[Tensor, bool], Tensor],
    error: Callable[[Tensor, Tensor], Tensor],
    alpha: Alpha,
    detach: bool,
    *,
    rho: Callable[[Tensor, Tensor], Tensor] = _cosine,
) -> Tensor:
    """Return (alpha[0] * error(u, v) + alpha[1] * error(rho * u, v)) / sum(alpha) of normalised scores u and MOS v.

    A term of weight 0 is not evaluated.
    """
    scores, mos = as_batches(scores, mos)
    if len(scores) == 1:
        return _zero_with_graph(scores)
    if min(alpha) < 0 or sum(alpha) <= 0:
        raise ConfigError(f"alpha must be >= 0 with a positive sum, got {alpha}")
    u, v = normalise(scores, detach), normalise(mos, False)
    terms = []
    if alpha[0] > 0:
        terms.append(alpha[0] * error(u, v))
    if alpha[1] > 0:
        terms.append(alpha[1] * error(rho(u, v) * u, v))
    return torch.stack(terms).sum() / sum(alpha)


@outside_autocast
def ranking_loss(better: Tensor, worse: Tensor, spread: Tensor, *, margin: float = 0.1) -> Tensor:
    """Mean hinge on pairs whose order is known: relu(margin - (better - worse) / spread), in [0, inf).

    Args:
        better: predictions of the images with the higher quality, shape (N,).
        worse: predictions of the others, pair by pair, shape (N,).
        spread: standard deviation of predictions of other images, a scalar: the term does not see their scale, and no
            gradient goes through it.
        margin: least difference that is not penalised, in units of `spread`.
    """
    difference = (better - worse) / (spread.detach() + EPS)
    return torch.relu(margin - difference).mean()


def _zero_with_graph(scores: Tensor) -> Tensor:
    """Return 0 with a gradient: the value of every batch-normalised loss on a single image."""
    return (scores * 0).sum()


def _statistic(value: Tensor, detach: bool) -> Tensor:
    return value.detach() if detach else value


def _quarter_mse(u: Tensor, v: Tensor) -> Tensor:
    return torch.nn.functional.mse_loss(u, v) / 4.0


def _z_score(values: Tensor, detach: bool) -> Tensor:
    # std's gradient at constant values is taken as 0: sqrt alone would give NaN
    centred = values - _statistic(values.mean(), detach)
    deviation = torch.linalg.vector_norm(values - values.mean(), ord=2) / len(values) ** 0.5
    return centred / (_statistic(deviation, detach) + EPS)


def _min_max(values: Tensor, detach: bool) -> Tensor:
    lowest, highest = _statistic(values.min(), detach), _statistic(values.max(), detach)
    return (values - lowest) / (EPS + (highest - lowest))  # the range first: 1e-8 added to a float32 score vanishes


def _mean_over_range(values: Tensor, detach: bool) -> Tensor:
    value_range = _statistic(values.max() - values.min(), detach)
    return (values - _statistic(values.mean(), detach)) / (EPS + value_range)
