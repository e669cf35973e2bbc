"""The whole network: backbone, pyramid pooling of two stages, and three scores; and its quality map.

The map is the fused head applied to each neighbourhood of the feature maps: the value of a cell is the score of an
image whose every pooling window had the statistics of the cell's neighbourhood. So the map of a uniform image is its
score everywhere, and needs no gradient (compare class activation maps: Zhou et al., CVPR 2016).
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property
from itertools import chain, islice
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm

from linearityiqa.config import ModelConfig, PoolMethod
from linearityiqa.errors import ImageTooSmallError
from linearityiqa.extras import require
from linearityiqa.models.backbones import TimmBackbone, build_backbone
from linearityiqa.models.geometry import FeatureMaps, measure
from linearityiqa.models.heads import (
    STAGE_FEATURES,
    Reduction,
    ScoreHead,
    StageHead,
    pooled_features,
    spatial_pyramid_pool,
    statistics,
)
from linearityiqa.quality import QualityScores
from linearityiqa.sizes import TapGeometry, check_image_size

STAGE3_WINDOW = 7
"""Side of a neighbourhood on the maps of stage 3: at the usual stride of 16, about 100 pixels."""
STAGE4_WINDOW = 3
"""Side of a neighbourhood on the maps of stage 4: at the usual stride of 32, about 100 pixels."""


class PooledFeatures(NamedTuple):
    """Input of the heads: the pooled maps of both tapped stages, each of shape (N, features)."""

    stage3: Tensor
    stage4: Tensor


class LinearityIQA(nn.Module):
    """Three quality scores of each image, linear in its MOS once trained (Li et al., ACM MM 2020, section 3.1).

    Args:
        config: backbone, pooling and heads.
        weights: initial weights of the backbone: ``imagenet`` (fetched at first use), ``none`` (random) or the path of
            a state dict (.pth, .safetensors). The heads are always drawn from torch's global generator.

    Raises:
        ConfigError: the architecture is unknown, or has no two stages to tap.
        ModelFileError: the weights cannot be fetched or read, or are of another architecture.
    """

    def __init__(self, config: ModelConfig, *, weights: str = "none") -> None:
        super().__init__()
        self.config = config
        self.backbone = build_backbone(config.architecture, weights)
        self.normalisation = self.backbone.normalisation
        """Mean and deviation that the input is made with: those of the backbone's published weights."""
        self._batch_norm_frozen = False
        channels3, channels4 = self.backbone.channels
        self.stage3 = StageHead(pooled_features(channels3, config.P6, config.pool), use_bn_end=config.use_bn_end)
        self.stage4 = StageHead(pooled_features(channels4, config.P7, config.pool), use_bn_end=config.use_bn_end)
        self.fused = ScoreHead(2 * STAGE_FEATURES, use_bn_end=config.use_bn_end)

    def forward(self, images: Tensor) -> QualityScores[Tensor]:
        """Compute scores of images.

        Args:
            images: RGB, made with `normalisation`, shape (N, 3, H, W).

        Returns:
            One score for each image and head, each of shape (N,), on an arbitrary scale.

        Raises:
            ImageTooSmallError: the images are too small for the backbone or the pyramid; names the smallest size.
        """
        return self.score(self.pool(images))

    def pool(self, images: Tensor) -> PooledFeatures:
        """Compute the first part of `forward`, nearly all of its work: backbone and pooling of its two stages."""
        return self.pool_maps(self.feature_maps(images), (images.shape[-2], images.shape[-1]))

    def feature_maps(self, images: Tensor) -> FeatureMaps:
        """Return the maps of both tapped stages in full precision; ImageTooSmallError if there are none."""
        if images.ndim != 4 or images.shape[1] != 3:
            raise ValueError(f"images must have the shape (N, 3, H, W), got {tuple(images.shape)}")
        try:
            maps: FeatureMaps = self.backbone(images)
        except RuntimeError:
            self.check_size(*images.shape[-2:])  # where the size is to blame, say so
            raise
        return FeatureMaps(maps.stage3.float(), maps.stage4.float()) if _autocasts(images) else maps

    def pool_maps(self, maps: FeatureMaps, size: tuple[int, int]) -> PooledFeatures:
        """Return the pooled features of maps of images of `size` (height, width); ImageTooSmallError if too small."""
        with _full_precision(maps.stage3):
            try:
                return PooledFeatures(
                    spatial_pyramid_pool(maps.stage3, self.config.P6, self.config.pool),
                    spatial_pyramid_pool(maps.stage4, self.config.P7, self.config.pool),
                )
            except ImageTooSmallError:
                self.check_size(*size)  # says it in pixels
                raise

    def score(self, pooled: PooledFeatures) -> QualityScores[Tensor]:
        """Compute the second part of `forward`: the heads. In training they normalise over all images passed in."""
        with _full_precision(pooled.stage3):
            features3, score3 = self.stage3(pooled.stage3)
            features4, score4 = self.stage4(pooled.stage4)
            return QualityScores(score3, score4, self.fused(torch.cat([features3, features4], dim=1)))

    def check_size(self, height: int, width: int) -> None:
        """Raise ImageTooSmallError, with the smallest size that works, unless the network takes images of this size."""
        check_image_size(height, width, self.config, self.taps)

    def backbone_parameters(self) -> Iterator[nn.Parameter]:
        """Return the parameters that start from the initial weights."""
        return self.backbone.parameters()

    def head_parameters(self) -> Iterator[nn.Parameter]:
        """Return the parameters that start from random values."""
        return chain(self.stage3.parameters(), self.stage4.parameters(), self.fused.parameters())

    def freeze_batch_norm(self) -> None:
        """Keep the backbone's batch-norm statistics from now on, in training mode too."""
        self._batch_norm_frozen = True
        self.train(self.training)

    def synchronise_batch_norm(self) -> None:
        """Take the backbone's batch statistics over all processes from now on, which only GPUs can."""
        convert: Callable[[nn.Module], nn.Module] = nn.SyncBatchNorm.convert_sync_batchnorm
        if isinstance(self.backbone, TimmBackbone):  # timm has layers that are normalisation and activation in one
            convert = require("timm.layers", "timm").convert_sync_batchnorm
        convert(self.backbone)

    @property
    def has_batch_norm(self) -> bool:
        """Whether the backbone has batch normalisation."""
        return any(isinstance(module, _BatchNorm) for module in self.backbone.modules())

    def train(self, mode: bool = True) -> "LinearityIQA":
        """Set training or evaluation mode; frozen batch normalisation stays in evaluation mode."""
        super().train(mode)
        if self._batch_norm_frozen:
            for module in self.backbone.modules():
                if isinstance(module, _BatchNorm):
                    module.eval()
        return self

    @cached_property
    def taps(self) -> tuple[TapGeometry, TapGeometry]:
        """Feature-map sizes of stages 3 and 4 as functions of the image size."""
        return measure(self.backbone)


def _autocasts(values: Tensor) -> bool:
    kind = values.device.type
    return torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind)


def _full_precision(values: Tensor) -> AbstractContextManager[object]:
    """No autocast: pooling and heads are cheap, and scores in half precision would tie."""
    return torch.autocast(values.device.type, enabled=False) if _autocasts(values) else nullcontext()


def scores_and_map(network: LinearityIQA, images: Tensor) -> tuple[QualityScores[Tensor], Tensor]:
    """Compute scores (N,) and quality maps (N, h, w) of images, at little more than the cost of the scores.

    The network is in evaluation mode; images are as for `LinearityIQA.forward`. Maps are on the scale of the fused
    score, of the size of the stage-4 feature maps.
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
    """Return statistics of the window around each cell, in the shape of `maps`; windows are cut off at the edges."""

    def mean(values: Tensor) -> Tensor:
        return functional.avg_pool2d(values, side, stride=1, padding=side // 2, count_include_pad=False)

    def maximum(values: Tensor) -> Tensor:
        return functional.max_pool2d(values, side, stride=1, padding=side // 2)

    return statistics(maps, method, Reduction(mean, maximum))


def _reduced(stage: StageHead, near: list[Tensor], levels: int) -> Tensor:
    """Return features (N * h * w, 64) of every cell, as if each window of the pyramid had the cell's statistics."""
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
