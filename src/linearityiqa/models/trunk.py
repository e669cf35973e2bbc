"""The convolutional trunk of a torchvision classification network, tapped at two depths."""

from collections import OrderedDict
from typing import NamedTuple

import torch
import torchvision
from torch import Tensor, nn

from linearityiqa.errors import ConfigError
from linearityiqa.images import IMAGENET
from linearityiqa.models.geometry import PROBE, FeatureMaps, evaluating, shapes_only, stride_of

_CONTAINERS = ("features", "layers", "trunk_output")
"""Children of torchvision networks that only hold the trunk's modules in order."""
_PAPER_TAPS = {"alexnet": 9}
"""Where the paper taps a network before its last output at stride 16."""


class Stages(NamedTuple):
    """Where a trunk is tapped: index of the module whose output is stage 3, and the channels of stages 3 and 4."""

    tap: int
    channels: tuple[int, int]


class Trunk(nn.Sequential):
    """Modules of the trunk in order, under their torchvision names.

    Attributes:
        tap: index of the module whose output is stage 3; the last module's is stage 4.
        channels: channels at the two taps.
        normalisation: ImageNet's, as torchvision's published weights want it.
    """

    normalisation = IMAGENET

    def __init__(self, architecture: str) -> None:
        modules = _trunk_modules(architecture)
        super().__init__(OrderedDict((name.rpartition(".")[2], module) for name, module in modules.items()))
        self._published_prefixes = {name.rpartition(".")[2]: name for name in modules}
        self.tap, self.channels = _stages(architecture, self)

    def forward(self, images: Tensor) -> FeatureMaps:
        """Feature maps of images (N, 3, H, W) at both taps."""
        maps = stage3 = images
        for index, module in enumerate(self):
            maps = module(maps)
            if index == self.tap:
                stage3 = maps
        return FeatureMaps(stage3, maps)

    def published_names(self) -> dict[str, str]:
        """Key of each tensor here -> its key in a state dict of the torchvision network."""
        names = {}
        for key in self.state_dict():
            child, _, rest = key.partition(".")
            names[key] = f"{self._published_prefixes[child]}.{rest}"
        return names


class SymmetricInput(nn.Module):
    """ImageNet-normalised images to the range -1..1 that GoogLeNet's and Inception's published weights expect."""

    def forward(self, images: Tensor) -> Tensor:
        """Images (N, 3, H, W) with mean 0.5 and deviation 0.5 in place of ImageNet's."""
        mean = images.new_tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
        std = images.new_tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
        return (images * std + mean - 0.5) / 0.5


def _stages(architecture: str, modules: nn.Sequential) -> Stages:
    """The taps of a trunk, from the shapes of its maps.

    Raises:
        ConfigError: no output at the stride of stage 3.
    """
    maps = torch.empty(2, 3, *PROBE, device="meta")
    shapes = []
    with evaluating(modules):
        for module in modules:
            maps = shapes_only(module, maps)
            shapes.append(maps.shape)
    strides = [stride_of(shape) for shape in shapes]
    # SqueezeNet ends at stride 16: its stage 3 is the last output before the final reduction
    stage3_stride = 16 if strides[-1] > 16 else strides[-1] // 2
    candidates = [index for index, stride in enumerate(strides) if stride == stage3_stride]
    if not candidates:
        raise ConfigError(f"{architecture} has no output at stride {stage3_stride} before the end of its trunk")
    # in a VGG network the pooling closes a block, so the first output at stride 16 is stage 3's (as in the paper)
    tap = _PAPER_TAPS.get(architecture, candidates[0] if architecture.startswith("vgg") else candidates[-1])
    return Stages(tap, (shapes[tap][1], shapes[-1][1]))


def _trunk_modules(architecture: str) -> dict[str, nn.Module]:
    """By dotted torchvision name, each part of the network before its global pooling, in the order of its forward."""
    network = _torchvision_network(architecture)
    modules: dict[str, nn.Module] = {}
    if hasattr(network, "transform_input"):
        modules["symmetric_input"] = SymmetricInput()
    for name, child in network.named_children():
        if name == "classifier" or isinstance(child, nn.AdaptiveAvgPool2d | nn.Linear):
            break
        if name in _CONTAINERS:
            modules |= {f"{name}.{inner}": module for inner, module in child.named_children()}
        else:
            modules[name] = child
    if isinstance(network, torchvision.models.DenseNet):
        modules["features.relu5"] = nn.ReLU(inplace=True)  # a function call in torchvision's forward
    return modules


def _torchvision_network(architecture: str) -> nn.Module:
    # auxiliary classifiers hang beside the trunk; leaving init_weights out warns
    extra = {"aux_logits": False, "init_weights": True} if architecture in ("googlenet", "inception_v3") else {}
    # a RegNet works out its widths with tensors, which need numbers even where the network is to have none
    device = torch.get_default_device()
    with torch.device("cpu" if architecture.startswith("regnet_") else device):
        network: nn.Module = torchvision.models.get_model(architecture, weights=None, **extra)
    return network.to(device)
