"""Sizes of the feature maps at the two taps of a backbone, found on the meta device without computing them."""

import bisect
import contextlib
import functools
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from linearityiqa.sizes import TapGeometry

PROBE = (256, 512)
"""Height and width of the image by which strides are found."""


class FeatureMaps(NamedTuple):
    """Feature maps at the two taps of a backbone, each (N, channels, height, width)."""

    stage3: Tensor
    stage4: Tensor


def measure(backbone: nn.Module) -> tuple[TapGeometry, TapGeometry]:
    """Return the geometry of both taps (stage 3, stage 4) of a backbone that maps images to `FeatureMaps`."""

    @functools.cache  # both taps ask for some heights
    def shapes(height: int) -> tuple[torch.Size, torch.Size]:
        maps = shapes_only(backbone, torch.empty(2, 3, height, PROBE[1], device="meta"))
        return maps.stage3.shape, maps.stage4.shape

    def geometry(tap: int) -> TapGeometry:
        shape = shapes(PROBE[0])[tap]
        start, stride = shape[-2], stride_of(shape)
        heights = range(PROBE[0], PROBE[0] + stride + 1)
        step = bisect.bisect_left(heights, start + 1, key=lambda height: shapes(height)[tap][-2])
        return TapGeometry(stride, (start + 1) * stride - heights[step])

    with evaluation_mode(backbone):
        return geometry(0), geometry(1)


def stride_of(shape: torch.Size) -> int:
    """Return the stride of feature maps, from their shape for an image of size `PROBE`; 0 where they are no maps of it.

    The difference of the sides, unlike their ratio to the image's, does not depend on padding.
    """
    longer = shape[-1] - shape[-2]
    return (PROBE[1] - PROBE[0]) // longer if len(shape) == 4 and longer > 0 else 0


def shapes_only(module: nn.Module, *inputs: Tensor) -> Any:
    """Return the output of `module` for inputs on the meta device: shapes without numbers; nothing is changed."""
    state = {name: value.to("meta") for name, value in chain(module.named_parameters(), module.named_buffers())}
    with torch.no_grad(), _WithoutNormalisation():
        return functional_call(module, state, inputs)


class _WithoutNormalisation(TorchFunctionMode):
    """Leaves out what changes no shape but takes most of the time on the meta device."""

    _LEFT_OUT = (functional.batch_norm, functional.layer_norm, functional.group_norm)

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        return args[0] if func in self._LEFT_OUT else func(*args, **(kwargs or {}))


@contextlib.contextmanager
def evaluation_mode(module: nn.Module) -> Iterator[None]:
    """Put a module into evaluation mode, and each of its parts back into its own mode afterwards."""
    # each part, since frozen batch-norm layers are in evaluation mode inside a network that trains
    modes = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for part, training in modes:
            part.training = training
