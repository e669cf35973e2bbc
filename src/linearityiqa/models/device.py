"""A network on its device: memory layouts and fused layers that are faster with equal results, and parallel batches."""

import logging
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from enum import Enum
from typing import TypeVar, cast

import torch
from torch import Tensor, fx, nn
from torch.fx.experimental import optimization
from torch.nn.modules.batchnorm import _BatchNorm
from torchvision.models.resnet import BasicBlock, Bottleneck

from linearityiqa.config import ScoringDeviceConfig
from linearityiqa.errors import ConfigError
from linearityiqa.machine import MOST_LANES, keep_freed_memory, prefetch
from linearityiqa.models.backbones import Backbone, Trunk
from linearityiqa.models.geometry import FeatureMaps
from linearityiqa.models.network import LinearityIQA

Network = TypeVar("Network", bound=nn.Module)
T = TypeVar("T")
R = TypeVar("R")

logger = logging.getLogger(__name__)


def prepare_device(config: ScoringDeviceConfig) -> torch.device:
    """Return the device that the options name, with the threads that they ask for (of the whole process)."""
    if config.num_threads is not None:
        torch.set_num_threads(config.num_threads)
    return resolve_device(config.device)


def resolve_device(name: str) -> torch.device:
    """Return the device called `name`; ``auto`` takes a GPU where there is one."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device).cpu()  # also refuses "meta", which holds no numbers
    except (RuntimeError, AssertionError) as cause:
        raise ConfigError(f"device {name!r} cannot be used here. Take cpu, or auto.") from cause
    return device


def keep_memory_of_cpu(name: str) -> None:
    """Call `keep_freed_memory` where the device called `name` is the CPU; for a command before it trains."""
    if name == "cpu" or (name == "auto" and not torch.cuda.is_available()):
        keep_freed_memory()


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
    """Bring the weights of a network on its device into a layout, and have its backbone compute in it; also in copies.

    `BLOCKED` is for networks that `can_be_blocked`; what oneDNN lacks in blocks (other types than float32, the gradient
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


def place(
    network: Network, device: torch.device, layout: Layout = Layout.CHANNELS_LAST, *, compiled: bool = False
) -> Network:
    """Move a network to the device in a memory layout, and return it; weights keep their names and values.

    With `compiled` torch compiles the backbone when it is first used.
    """
    arrange(network.to(device), layout)
    if compiled:
        compile_backbone(network, device)
    return network


def compile_backbone(network: nn.Module, device: torch.device) -> None:
    """Have torch compile a network's backbone for the device, when it is first used."""
    _require_compiler(device)
    # not the whole network: the heads are a thousandth of the work, and what can fail stays readable
    network.get_submodule("backbone").compile()


def _require_compiler(device: torch.device) -> None:
    try:
        torch.compile(_increment)(torch.zeros(8, device=device))
    except Exception as cause:  # the compiler's own exceptions share no base
        reason = str(cause).strip().partition("\n")[0] or type(cause).__name__
        raise ConfigError(
            f"--compile: torch cannot compile for {device} here ({reason}). It needs a C++ compiler such as g++ for a "
            "CPU, and Triton for a GPU; or leave --compile out."
        ) from cause


def _increment(values: torch.Tensor) -> torch.Tensor:
    return values + 1


def visible_gpus() -> tuple[str, ...]:
    """Return the NVIDIA or AMD GPUs that this process may use, as CUDA_VISIBLE_DEVICES names them."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    count = torch.cuda.device_count()
    # the variable may name GPUs by number or by UUID, and some that do not exist
    return tuple(named.split(",")[:count]) if named else tuple(map(str, range(count)))


def parallel_batches(device: torch.device) -> int:
    """Return how many batches a device computes at once: on a CPU as many as torch has threads, at most 8."""
    return min(torch.get_num_threads(), MOST_LANES) if device.type == "cpu" else 1


def in_parallel(compute: Callable[[T], R], items: Iterable[T], parallel: int) -> Iterator[R]:
    """Yield `compute` of each item, in inference mode and in the order of the items; `parallel` run at once.

    torch's threads are divided among them. `items` is read at most that far ahead.
    """
    if parallel == 1:
        yield from map(torch.inference_mode()(compute), items)
        return
    threads = torch.get_num_threads()
    # OpenMP keeps the number of threads for each thread that asks, so this one keeps its own
    pool = ThreadPoolExecutor(
        parallel, "evaluation", initializer=torch.set_num_threads, initargs=(max(1, threads // parallel),)
    )
    try:
        yield from prefetch(pool, torch.inference_mode()(compute), items, parallel)
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(threads)  # for threads that start later
