"""The loss of the whole network: one loss on each of its three heads, weighed by beta."""

from collections.abc import Sequence
from itertools import pairwise

import torch

from linearityiqa.config import LossConfig
from linearityiqa.losses.functional import (
    as_batches,
    linearity_loss,
    mean_norm_loss,
    min_max_norm_loss,
    monotonicity_loss,
    norm_in_norm_loss,
    outside_autocast,
    ranking_loss,
    scaling_loss,
)
from linearityiqa.quality import QualityScores


@outside_autocast
def head_loss(config: LossConfig, scores: torch.Tensor, mos: torch.Tensor) -> torch.Tensor:
    """Compute the configured loss of one head, with its monotonicity term.

    Args:
        config: which loss, and its parameters; `beta` does not matter here.
        scores: predictions of the whole batch, shape (N,) or (N, 1).
        mos: subjective scores, shape (N,) or (N, 1).

    Raises:
        ConfigError: shapes that differ from (N,) and (N, 1).
    """
    scores, mos = as_batches(scores, mos)
    match config.loss_type:
        case "mae":
            loss = torch.nn.functional.l1_loss(scores, mos)
        case "mse":
            loss = torch.nn.functional.mse_loss(scores, mos)
        case "norm-in-norm":
            loss = norm_in_norm_loss(scores, mos, p=config.p, q=config.q, alpha=config.alpha, detach=config.detach)
        case "min-max-norm":
            loss = min_max_norm_loss(scores, mos, alpha=config.alpha, detach=config.detach)
        case "mean-norm":
            loss = mean_norm_loss(scores, mos, alpha=config.alpha, detach=config.detach)
        case "scaling":
            loss = scaling_loss(scores, mos, p=config.p, alpha=config.alpha, detach=config.detach)
        case "linearity":
            loss = linearity_loss(scores, mos, alpha=config.alpha, detach=config.detach)
    if config.monotonicity_regularization:
        loss = loss + config.gamma * monotonicity_loss(scores, mos, detach=config.detach)
    return loss


class QualityLoss(torch.nn.Module):
    """beta[0] * L(stage3) + beta[1] * L(stage4) + beta[2] * L(fused); a head of weight 0 is not evaluated."""

    def __init__(self, config: LossConfig | None = None) -> None:
        super().__init__()
        self.config = config or LossConfig()

    def forward(self, scores: QualityScores[torch.Tensor], mos: torch.Tensor) -> torch.Tensor:
        """Compute the loss of a batch: of the network's outputs, each of shape (N,), against its MOS, shape (N,)."""
        terms = [
            weight * head_loss(self.config, head, mos)
            for weight, head in zip(self.config.beta, scores, strict=True)
            if weight > 0
        ]
        return torch.stack(terms).sum()

    def ranking(
        self, versions: Sequence[QualityScores[torch.Tensor]], rated: QualityScores[torch.Tensor]
    ) -> torch.Tensor:
        """Compute the ranking term of versions of the same images, weighed by `beta` and `rank_weight`.

        `versions` are outputs of shape (N,), from the best to the worst; `rated` are those of all images with opinion
        scores, whose spread is the unit.
        """
        terms = [
            weight * ranking_loss(better, worse, head.std(correction=0))
            for step in pairwise(versions)
            for weight, better, worse, head in zip(self.config.beta, *step, rated, strict=True)
            if weight > 0
        ]
        return self.config.rank_weight * torch.stack(terms).sum()

    def extra_repr(self) -> str:
        """Return the configuration, as printed inside the module's representation."""
        return repr(self.config)
