"""How images, kernels and maps lie in memory: the arithmetic is the same, its speed is not."""

from enum import Enum

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torchvision.models.resnet import BasicBlock, Bottleneck

from linearityiqa.models.geometry import FeatureMaps
from linearityiqa.models.trunk import Trunk

_BLOCKED_OPERATIONS = (nn.Conv2d, nn.BatchNorm2d, nn.ReLU, nn.MaxPool2d, nn.Sequential, BasicBlock, Bottleneck, Trunk)
"""What oneDNN computes, forwards and backwards, without leaving its layout: all that ResNets, VGGs and AlexNet need."""


class Layout(Enum):
    """Order of the numbers of images and kernels."""

    USUAL = "usual"
    """Channel by channel (NCHW)."""
    CHANNELS_LAST = "channels last"
    """Pixel by pixel (NHWC): for tensor cores, and for 1 x 1 and grouped kernels on a CPU."""
    BLOCKED = "blocked"
    """In oneDNN's own blocks of channels, inside the backbone: what its kernels compute in anyhow, without a
    conversion before and after each. Kernels themselves are kept in the usual order."""

    @property
    def outside(self) -> torch.memory_format:
        """Layout of the weights, and of the images that the network is handed."""
        return torch.channels_last if self is Layout.CHANNELS_LAST else torch.contiguous_format


def can_be_blocked(backbone: nn.Module) -> bool:
    """Whether oneDNN is here and has every operation of the backbone in its own layout."""
    has_onednn: bool = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    return has_onednn and all(type(part) in _BLOCKED_OPERATIONS for part in backbone.modules())


def arrange(network: nn.Module, layout: Layout) -> None:
    """Bring a network's weights into a layout, and have its backbone compute in it.

    Args:
        network: on its device, with a `backbone` whose output is `FeatureMaps`. A copy made of it afterwards computes
            in the same layout.
        layout: `BLOCKED` only where `can_be_blocked`; what the blocks do not have (other types than float32, the
            gradient of frozen batch normalisation) is computed in the usual layout.
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
