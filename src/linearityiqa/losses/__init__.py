"""Losses of quality assessment: Norm-in-Norm, its relatives, and their sum over the network's heads."""

from linearityiqa.extras import require

require("torch", "train")

from linearityiqa.losses.functional import (  # noqa: E402 - after the check for torch
    NormInNormLoss,
    linearity_loss,
    mean_norm_loss,
    min_max_norm_loss,
    monotonicity_loss,
    norm_in_norm_loss,
    ranking_loss,
    scaling_loss,
)
from linearityiqa.losses.quality import QualityLoss, head_loss  # noqa: E402

__all__ = [
    "NormInNormLoss",
    "QualityLoss",
    "head_loss",
    "linearity_loss",
    "mean_norm_loss",
    "min_max_norm_loss",
    "monotonicity_loss",
    "norm_in_norm_loss",
    "ranking_loss",
    "scaling_loss",
]
