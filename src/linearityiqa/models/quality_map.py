"""Quality maps: the fused head applied to each neighbourhood of the feature maps.

The value of a cell is the score of an image whose every pooling window had the statistics of the cell's neighbourhood.
So the map of a uniform image is its score everywhere, and needs no gradient: it is a plain output of the network, on
the scale of the score (compare class activation maps: Zhou et al., CVPR 2016).
"""

from itertools import islice
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from linearityiqa.config import PoolMethod
from linearityiqa.models.geometry import FeatureMaps
from linearityiqa.models.heads import Reduction, StageHead, statistics
from linearityiqa.models.network import LinearityIQA
from linearityiqa.quality import QualityScores

STAGE3_WINDOW = 7
"""Side of a neighbourhood on the maps of stage 3: at the usual stride of 16, about 100 pixels."""
STAGE4_WINDOW = 3
"""Side of a neighbourhood on the maps of stage 4: at the usual stride of 32, about 100 pixels."""


def scores_and_map(network: LinearityIQA, images: Tensor) -> tuple[QualityScores[Tensor], Tensor]:
    """Scores (N,) and quality maps (N, h, w) of images, at little more than the cost of the scores.

    Args:
        network: in evaluation mode.
        images: as for `LinearityIQA.forward`.

    Returns:
        The scores of `network`, and maps on the scale of the fused score, of the size of the stage-4 feature maps.
    """
    maps = network.feature_maps(images)
    pooled = network.pool_maps(maps, (images.shape[-2], images.shape[-1]))
    return network.score(pooled), local_scores(network, maps)


def local_scores(network: LinearityIQA, maps: FeatureMaps) -> Tensor:
    """Return the quality map (N, h, w) of feature maps of which stage 4's are of shape (N, channels, h, w)."""
    pool, (height, width) = network.config.pool, maps.stage4.shape[-2:]
    near3 = _neighbourhoods(maps.stage3, STAGE3_WINDOW, pool)
    near3 = [functional.interpolate(near, size=(height, width), mode="bilinear", align_corners=False) for near in near3]
    near4 = _neighbourhoods(maps.stage4, STAGE4_WINDOW, pool)
    features = _reduced(network.stage3, near3, network.config.P6), _reduced(network.stage4, near4, network.config.P7)
    scores: Tensor = network.fused(torch.cat(features, dim=1))
    return scores.reshape(-1, height, width)


def _neighbourhoods(maps: Tensor, side: int, method: PoolMethod) -> list[Tensor]:
    """Statistics of the window around each cell, each of the shape of `maps`; windows are cut off at the edges."""

    def mean(values: Tensor) -> Tensor:
        return functional.avg_pool2d(values, side, stride=1, padding=side // 2, count_include_pad=False)

    def maximum(values: Tensor) -> Tensor:
        return functional.max_pool2d(values, side, stride=1, padding=side // 2)

    return statistics(maps, method, Reduction(mean, maximum))


def _reduced(stage: StageHead, near: list[Tensor], levels: int) -> Tensor:
    """Reduced features (N * h * w, 64) of every cell, as if each window of the pyramid had the cell's statistics."""
    first = cast(nn.Linear, stage.reduce[0])
    values = len(near) * near[0].shape[1]
    # a statistic that is in all windows of a level meets the sum of their weights
    levels_of_weight = torch.split(first.weight, [values * level * level for level in range(1, levels + 1)], dim=1)
    weight = torch.stack([part.reshape(len(part), values, -1).sum(-1) for part in levels_of_weight]).sum(0)
    cells = torch.cat(near, dim=1).permute(0, 2, 3, 1).flatten(0, 2)
    features = functional.linear(cells, weight, first.bias)
    for module in islice(stage.reduce, 1, None):
        features = module(features)
    return features
