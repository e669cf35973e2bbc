"""Wide 3 x 3 convolutions of a network on a CPU, computed as `winograd` does."""

from typing import Any, TypeGuard

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from linearityiqa.models.winograd import (
    Tiling,
    convolve,
    convolve_adjoint,
    kernels_at_points,
    kernels_at_points_adjoint,
)

LEAST_CHANNELS = 128
"""Channels of the maps and of the result from which the products outweigh the way to the points and back."""
LEAST_TILES = 24
"""Tiles in a batch of maps from which they do: the kernels at their points are read from memory for each batch."""
_PROCESSORS = ("AVX2", "AVX512")
"""Where it was measured to be faster (docs/decisions.md), in torch's words."""


class WinogradConv2d(nn.Conv2d):
    """A convolution with the weights of another one that `is_wide`.

    What is not float32, not on a CPU, under autocast or too small to be faster is computed as torch does.

    Args:
        original: its weights become this one's; not copied.
    """

    def __init__(self, original: nn.Conv2d) -> None:
        channels = original.in_channels, original.out_channels
        super().__init__(*channels, 3, padding=1, bias=original.bias is not None, device="meta")
        self.weight, self.bias = original.weight, original.bias
        self._kept: tuple[tuple[int, int], Tensor] | None = None

    def forward(self, maps: Tensor) -> Tensor:
        """Maps (N, out_channels, H, W) of maps (N, in_channels, H, W); channels-last where it computes at points."""
        if not self._pays(maps):
            return super().forward(maps)
        rows = maps.permute(0, 2, 3, 1).contiguous()
        if torch.is_grad_enabled():
            self._kept = None  # the weights are about to change
            result: Tensor = _Winograd.apply(rows, self.weight)
            result = result if self.bias is None else result + self.bias
        else:
            result = convolve(rows, self._kernels())
            result = result if self.bias is None else result.add_(self.bias)
        return result.permute(0, 3, 1, 2)

    def _pays(self, maps: Tensor) -> bool:
        return (
            maps.dtype == self.weight.dtype == torch.float32
            and maps.device.type == "cpu"
            and not torch.is_autocast_enabled("cpu")
            and Tiling(*(maps.shape[axis] for axis in (0, 2, 3, 1))).tiles >= LEAST_TILES
        )

    def _kernels(self) -> Tensor:
        """The kernels at their points, computed once between two changes of the weights."""
        if self.weight.is_inference():  # whose changes nobody counts
            return kernels_at_points(self.weight)
        state = self.weight.data_ptr(), self.weight._version
        kept = self._kept  # several threads may come here: each reads it once, and writes it whole
        if kept is None or kept[0] != state:
            self._kept = kept = state, kernels_at_points(self.weight)
        return kept[1]


class _Winograd(torch.autograd.Function):
    """`convolve` of maps (N, H, W, C) with kernels (K, C, 3, 3)."""

    @staticmethod
    def forward(ctx: Any, maps: Tensor, weight: Tensor) -> Tensor:
        kernels = kernels_at_points(weight)
        ctx.save_for_backward(maps, kernels)
        return convolve(maps, kernels)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None]:
        maps, kernels = ctx.saved_tensors
        of_maps, of_weight = ctx.needs_input_grad
        to_maps, to_kernels = convolve_adjoint(gradient, maps, kernels, of_maps=of_maps, of_kernels=of_weight)
        return to_maps, None if to_kernels is None else kernels_at_points_adjoint(to_kernels)


def is_wide(module: nn.Module) -> TypeGuard[nn.Conv2d]:
    """Whether a `WinogradConv2d` may take a module's place."""
    return (
        type(module) is nn.Conv2d
        and module.kernel_size == (3, 3)
        and module.stride == module.dilation == (1, 1)
        and module.padding == (1, 1)
        and module.padding_mode == "zeros"
        and module.groups == 1
        and min(module.in_channels, module.out_channels) >= LEAST_CHANNELS
    )


def use_winograd(network: nn.Module) -> None:
    """Put a `WinogradConv2d` in the place of every convolution that `is_wide`, where this processor is faster so."""
    if torch.backends.cpu.get_cpu_capability() not in _PROCESSORS:
        return
    for parent in list(network.modules()):
        for name, child in parent.named_children():
            if is_wide(child):
                parent.register_module(name, WinogradConv2d(child))
