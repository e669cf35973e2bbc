"""Faster arithmetic with equal results: memory layouts, and fused batch normalisation."""

import logging
from enum import Enum
from typing import cast

import torch
from torch import Tensor, fx, nn
from torch.fx.experimental import optimization
from torch.nn.modules.batchnorm import _BatchNorm
from torchvision.models.resnet import BasicBlock, Bottleneck

from linearityiqa.models.backbones import Backbone, Trunk
from linearityiqa.models.geometry import FeatureMaps
from linearityiqa.models.network import LinearityIQA

logger = logging.getLogger(__name__)

_BLOCKED_OPERATIONS = (nn.Conv2d, nn.BatchNorm2d, nn.ReLU, nn.MaxPool2d, nn.Sequential, BasicBlock, Bottleneck, Trunk)
"""Modules that oneDNN computes, forwards and backwards, in its own layout: all that ResNets, VGGs and AlexNet need."""


class Layout(Enum):
    """Order of the numbers of images and kernels."""

    USUAL = "usual"
    """Channel by channel (NCHW)."""
    CHANNELS_LAST = "channels last"
    """Pixel by pixel (NHWC): for tensor cores, and for 1 x 1 and grouped kernels on a CPU."""
    BLOCKED = "blocked"
    """In oneDNN's own blocks of channels, inside the backbone: its kernels need no conversion before and after each.
    Weights are kept in the usual order."""

    @property
    def outside(self) -> torch.memory_format:
        """Layout of the weights, and of the network's input."""
        return torch.channels_last if self is Layout.CHANNELS_LAST else torch.contiguous_format


def can_be_blocked(backbone: nn.Module) -> bool:
    """Return whether oneDNN is here and has every operation of the backbone in its own layout."""
    has_onednn: bool = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    return has_onednn and all(type(part) in _BLOCKED_OPERATIONS for part in backbone.modules())


def arrange(network: nn.Module, layout: Layout) -> None:
    """Bring a network's weights into a layout, and have its backbone compute in it; copies do so too.

    Args:
        network: on its device, with a `backbone` whose output is `FeatureMaps`.
        layout: `BLOCKED` only if `can_be_blocked`; what oneDNN lacks in blocks (other types than float32, the gradient
            of frozen batch normalisation) is computed in the usual layout.
    """
    network.to(memory_format=layout.outside)
    if layout is Layout.BLOCKED:
        backbone = network.get_submodule("backbone")
        backbone.register_forward_pre_hook(_to_blocks)
        backbone.register_forward_hook(_from_blocks)


def _to_blocks(backbone: nn.Module, inputs: tuple[Tensor]) -> Tensor | None:
    (images,) = inputs
    if images.device.type != "cpu" or images.dtype != torch.float32 or torch.is_autocast_enabled("cpu"):
        return None
    if torch.is_grad_enabled() and any(
        isinstance(part, _BatchNorm) and not part.training for part in backbone.modules()
    ):
        return None
    return images.to_mkldnn()


def _from_blocks(_: nn.Module, __: tuple[Tensor], maps: FeatureMaps) -> FeatureMaps:
    return FeatureMaps(*(one.to_dense() if one.is_mkldnn else one for one in maps))


def fuse_batch_norm(network: LinearityIQA) -> LinearityIQA:
    """Fold the backbone's batch normalisation into its convolutions, in place, for a network in evaluation mode.

    Scores change by float32 rounding only. The names of the weights change: such a network is not for saving.
    A backbone that torch.fx cannot trace stays as it is.
    """
    try:
        with torch.no_grad():
            network.backbone = cast(Backbone, optimization.fuse(network.backbone))
    except (fx.proxy.TraceError, TypeError, ValueError, RuntimeError, NotImplementedError) as cause:
        logger.debug("batch normalisation is not fused: %s", cause)
    return network
