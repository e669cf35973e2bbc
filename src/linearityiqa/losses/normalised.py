"""The other losses between batch-normalised scores: the baselines that the paper compares with."""

from collections.abc import Callable

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

Normalise = Callable[[torch.Tensor, bool], torch.Tensor]


def linearity_loss(
    scores: torch.Tensor, mos: torch.Tensor, *, alpha: Alpha = (1.0, 0.0), detach: bool = False
) -> torch.Tensor:
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
    return _squared_error(scores, mos, _z_score, alpha, detach, largest=4.0, rho=lambda u, v: (u * v).mean())


def min_max_norm_loss(
    scores: torch.Tensor, mos: torch.Tensor, *, alpha: Alpha = (1.0, 0.0), detach: bool = False
) -> torch.Tensor:
    """Mean square error of scores mapped to [0, 1] by their extremes; arguments as in `linearity_loss`."""
    return _squared_error(scores, mos, _min_max, alpha, detach, largest=1.0)


def mean_norm_loss(
    scores: torch.Tensor, mos: torch.Tensor, *, alpha: Alpha = (1.0, 0.0), detach: bool = False
) -> torch.Tensor:
    """Mean square error of centred scores over their range, over 4; arguments as in `linearity_loss`."""
    return _squared_error(scores, mos, _mean_over_range, alpha, detach, largest=4.0)


def scaling_loss(
    scores: torch.Tensor, mos: torch.Tensor, *, p: float = 1.0, alpha: Alpha = (1.0, 0.0), detach: bool = False
) -> torch.Tensor:
    """Mean square error of scores over their p-norm, over 4, without centring; arguments as in `linearity_loss`.

    Raises:
        ConfigError: as `linearity_loss`, and p <= 0.
    """
    if p <= 0:
        raise ConfigError(f"p must be > 0, got {p}")

    def over_norm(values: torch.Tensor, detach: bool) -> torch.Tensor:
        return values / (EPS + statistic(torch.linalg.vector_norm(values, ord=p), detach))

    return _squared_error(scores, mos, over_norm, alpha, detach, largest=4.0)


@outside_autocast
def _squared_error(
    scores: torch.Tensor,
    mos: torch.Tensor,
    normalise: Normalise,
    alpha: Alpha,
    detach: bool,
    *,
    largest: float,
    rho: Callable[[torch.Tensor, torch.Tensor], torch.Tensor] = cosine,
) -> torch.Tensor:
    scores, mos = as_batches(scores, mos)
    if len(scores) == 1:
        return zero_with_graph(scores)
    u, v = normalise(scores, detach), normalise(mos, False)

    def error(normalised: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.mse_loss(normalised, v) / largest

    return weighted_by_alpha(alpha, lambda: error(u), lambda: error(rho(u, v) * u))


def _z_score(values: torch.Tensor, detach: bool) -> torch.Tensor:
    # std's gradient at constant values is taken as 0: sqrt alone would give NaN
    centred = values - statistic(values.mean(), detach)
    deviation = torch.linalg.vector_norm(values - values.mean(), ord=2) / len(values) ** 0.5
    return centred / (statistic(deviation, detach) + EPS)


def _min_max(values: torch.Tensor, detach: bool) -> torch.Tensor:
    lowest, highest = statistic(values.min(), detach), statistic(values.max(), detach)
    return (values - lowest) / (EPS + (highest - lowest))  # the range first: 1e-8 vanishes beside a float32 score


def _mean_over_range(values: torch.Tensor, detach: bool) -> torch.Tensor:
    value_range = statistic(values.max() - values.min(), detach)
    return (values - statistic(values.mean(), detach)) / (EPS + value_range)
