"""The device that a command's --device names, and several batches at once on the cores of a CPU."""

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch
from torch import nn

from linearityiqa.config import ScoringDeviceConfig
from linearityiqa.errors import ConfigError
from linearityiqa.machine import MOST_LANES, keep_freed_memory, prefetch
from linearityiqa.models.layout import Layout, arrange

Network = TypeVar("Network", bound=nn.Module)


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


def place(
    network: Network, device: torch.device, layout: Layout = Layout.CHANNELS_LAST, *, compiled: bool = False
) -> Network:
    """Bring a network to the device.

    Args:
        network: a whole network; names and values of its weights stay as they are.
        device: where it goes.
        layout: how the weights of convolutions, and the maps of the backbone, lie in memory.
        compiled: have torch compile the backbone, when it is first used.

    Returns:
        The network.
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


T = TypeVar("T")
R = TypeVar("R")


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
        torch.set_num_threads(threads)  # what threads to come begin with
