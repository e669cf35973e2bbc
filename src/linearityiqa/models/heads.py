"""What turns pooled features into scores."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from linearityiqa.mapping import LinearMapping

STAGE_FEATURES = 64
"""Length of the feature vector that each stage hands to the fused head."""


class FeatureReduction(nn.Sequential):
    """Pooled features (N, in_features) to `STAGE_FEATURES` (N, 64), by three linear layers with batch normalisation."""

    def __init__(self, in_features: int) -> None:
        super().__init__(
            nn.Linear(in_features, 1024),
            nn.BatchNorm1d(1024),
            nn.Linear(1024, 256),
            nn.BatchNorm1d(256),
            nn.Linear(256, STAGE_FEATURES),
            nn.BatchNorm1d(STAGE_FEATURES),
            nn.ReLU(),
        )


class ScoreHead(nn.Module):
    """Features (N, in_features) to one score each, shape (N,)."""

    def __init__(self, in_features: int, *, use_bn_end: bool) -> None:
        super().__init__()
        self.linear = nn.Linear(in_features, 1)
        self.norm = nn.BatchNorm1d(1) if use_bn_end else None

    def forward(self, features: Tensor) -> Tensor:
        """Score of each row of `features`."""
        score: Tensor = self.linear(features)
        return (score if self.norm is None else self.norm(score)).squeeze(1)

    def map_by(self, line: LinearMapping) -> None:
        """From now on give `line(score)` for each score of before."""
        last = self.linear if self.norm is None else self.norm
        with torch.no_grad():
            last.weight.mul_(line.slope)
            last.bias.mul_(line.slope).add_(line.intercept)


class StageOutput(NamedTuple):
    """What one stage gives: reduced features (N, 64), and its own score (N,)."""

    features: Tensor
    score: Tensor


class StageHead(nn.Module):
    """Reduction and score of one tapped stage."""

    def __init__(self, in_features: int, *, use_bn_end: bool) -> None:
        super().__init__()
        self.reduce = FeatureReduction(in_features)
        self.score = ScoreHead(STAGE_FEATURES, use_bn_end=use_bn_end)

    def forward(self, pooled: Tensor) -> StageOutput:
        """Reduced features and score of each row of `pooled`, shape (N, in_features)."""
        features = self.reduce(pooled)
        return StageOutput(features, self.score(features))
