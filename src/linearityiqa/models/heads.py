"""Spatial pyramid pooling of feature maps of any size, and the heads that turn pooled features into scores."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from linearityiqa.config import PoolMethod
from linearityiqa.errors import ImageTooSmallError
from linearityiqa.mapping import LinearMapping
from linearityiqa.sizes import divides, smallest_size

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
        """Compute the score of each row of `features`."""
        score: Tensor = self.linear(features)
        return (score if self.norm is None else self.norm(score)).squeeze(1)

    def map_by(self, line: LinearMapping) -> None:
        """Change the weights so that each score becomes `line(score)`."""
        last = self.linear if self.norm is None else self.norm
        with torch.no_grad():
            last.weight.mul_(line.slope)
            last.bias.mul_(line.slope).add_(line.intercept)


class StageHead(nn.Module):
    """Reduction and score of one tapped stage."""

    def __init__(self, in_features: int, *, use_bn_end: bool) -> None:
        super().__init__()
        self.reduce = FeatureReduction(in_features)
        self.score = ScoreHead(STAGE_FEATURES, use_bn_end=use_bn_end)

    def forward(self, pooled: Tensor) -> tuple[Tensor, Tensor]:
        """Compute reduced features (N, 64) and score (N,) of each row of `pooled`, shape (N, in_features)."""
        features: Tensor = self.reduce(pooled)
        return features, self.score(features)


class Reduction(NamedTuple):
    """Mean and maximum over windows."""

    mean: Callable[[Tensor], Tensor]
    maximum: Callable[[Tensor], Tensor]


_LAST_DIMENSION = Reduction(mean=lambda windows: windows.mean(-1), maximum=lambda windows: windows.max(-1).values)


def _mean(values: Tensor, reduce: Reduction) -> Tensor:
    return reduce.mean(values)


def _maximum(values: Tensor, reduce: Reduction) -> Tensor:
    return reduce.maximum(values)


def _minimum(values: Tensor, reduce: Reduction) -> Tensor:
    return -reduce.maximum(-values)


def _standard_deviation(values: Tensor, reduce: Reduction) -> Tensor:
    variance = torch.relu(reduce.mean(values.square()) - reduce.mean(values).square())
    # the slope of the root is infinite at 0, which is a constant window's value; 0 is a subgradient there
    positive = variance > 0
    return torch.where(positive, torch.where(positive, variance, 1.0).sqrt(), 0.0)


_STATISTICS: dict[PoolMethod, tuple[Callable[[Tensor, Reduction], Tensor], ...]] = {
    "avg": (_mean,),
    "max": (_maximum,),
    "min": (_minimum,),
    "std": (_standard_deviation,),
    "maxmin": (_maximum, _minimum),
    "mean-std": (_mean, _standard_deviation),
}


def statistics(values: Tensor, method: PoolMethod, reduce: Reduction) -> list[Tensor]:
    """Return the statistics that a pooling method takes of windows of `values`, e.g. max, then min for maxmin."""
    return [statistic(values, reduce) for statistic in _STATISTICS[method]]


def pooled_features(channels: int, levels: int, method: PoolMethod) -> int:
    """Return the length of the vector that `spatial_pyramid_pool` makes.

    >>> pooled_features(256, levels=3, method="mean-std") == 256 * 2 * (1 + 4 + 9)
    True
    """
    return channels * len(_STATISTICS[method]) * sum(level * level for level in range(1, levels + 1))


def spatial_pyramid_pool(maps: Tensor, levels: int, method: PoolMethod) -> Tensor:
    """Pool maps (N, C, H, W) on 1 x 1, 2 x 2, ..., `levels` x `levels` grids to the shape (N, `pooled_features`).

    Level n has adjacent windows of (H // n, W // n); pixels left over at the right and lower edge are ignored. Within a
    level the order is statistic, channel, row, column. ImageTooSmallError: some level's grid is not n x n; names the
    smallest map, at least as large, that works.
    """
    height, width = maps.shape[-2:]
    # while a network is exported for images of any size, a side is a symbol, which asking would tie to one size
    known = isinstance(height, int) and isinstance(width, int)
    if known and not (divides(height, levels) and divides(width, levels)):
        raise ImageTooSmallError(
            f"{levels} pyramid levels do not fit on feature maps of {height} x {width}; the smallest size that works "
            f"is {smallest_size(height, levels)} x {smallest_size(width, levels)}. Use larger images or fewer levels."
        )
    pooled = [statistics(_windows(maps, level), method, _LAST_DIMENSION) for level in range(1, levels + 1)]
    return torch.cat([statistic.flatten(1) for level in pooled for statistic in level], dim=1)


def _windows(maps: Tensor, level: int) -> Tensor:
    """Return the windows of a level, shape (N, C, level, level, pixels of a window)."""
    height, width = maps.shape[-2] // level, maps.shape[-1] // level
    covered = maps[..., : level * height, : level * width]
    rows = covered.reshape(*maps.shape[:2], level, height, level, width)
    return rows.transpose(3, 4).flatten(4)
