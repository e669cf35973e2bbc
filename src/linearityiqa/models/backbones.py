"""Backbones by name: which there are, and how one is built with its initial weights."""

import difflib
import functools
from pathlib import Path

import torch
import torchvision

from linearityiqa.errors import ConfigError
from linearityiqa.models.timm_backbone import TIMM_PREFIX, TimmBackbone, check_timm_name
from linearityiqa.models.trunk import Trunk
from linearityiqa.models.weights import imagenet_file, packaged_file, read_weights

Backbone = Trunk | TimmBackbone
"""A module from images (N, 3, H, W) to `FeatureMaps`, with `channels` and `published_names()`."""

_TRANSFORMERS = ("vit_", "swin_", "maxvit_")


@functools.cache
def known_architectures() -> tuple[str, ...]:
    """Names of torchvision's classification networks that have a convolutional trunk, sorted."""
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
        check_timm_name(architecture)
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
    """A backbone with its initial weights.

    Args:
        architecture: one of `known_architectures`, or ``timm/NAME``.
        weights: ``imagenet`` (the published weights, fetched at first use), ``none`` (random), or the path of a state
            dict (.pth, .safetensors).

    Raises:
        ConfigError: the architecture is unknown or has no two stages to tap.
        ModelFileError: the weights cannot be fetched or read, or are of another architecture.
    """
    check_architecture(architecture)
    if architecture.startswith(TIMM_PREFIX):
        return _timm_backbone(architecture, weights)
    if weights == "none":
        return Trunk(architecture)
    path = imagenet_file(architecture) if weights == "imagenet" else Path(weights)
    # drawing random weights only to overwrite them takes seconds
    with torch.device("meta"):
        trunk = Trunk(architecture)
    state = read_weights(path, trunk.published_names(), trunk, architecture)
    trunk.to_empty(device=torch.get_default_device()).load_state_dict(state)
    return trunk


def _timm_backbone(architecture: str, weights: str) -> TimmBackbone:
    file = packaged_file(architecture) if weights == "imagenet" else None if weights == "none" else Path(weights)
    backbone = TimmBackbone(architecture, pretrained=weights == "imagenet" and file is None)
    if file is not None:
        state = read_weights(file, backbone.published_names(), backbone, architecture)
        backbone.load_state_dict(state)
    return backbone
