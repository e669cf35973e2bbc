"""The device that a command's --device names."""

import os
from typing import TypeVar

import torch
from torch import nn

from linearityiqa.config import DeviceConfig
from linearityiqa.errors import ConfigError

EVALUATION_BATCH = 8
EVALUATION_BATCH_ON_GPU = 64
Network = TypeVar("Network", bound=nn.Module)


def prepare_device(config: DeviceConfig) -> torch.device:
    """The device that the options name, with the number of threads that they ask for (of the whole process).

    Raises:
        ConfigError: as `resolve_device`.
    """
    if config.num_threads is not None:
        torch.set_num_threads(config.num_threads)
    return resolve_device(config.device)


def resolve_device(name: str) -> torch.device:
    """The device called `name`; ``auto`` takes a GPU where there is one.

    Raises:
        ConfigError: a device that does not exist or is not here.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device).cpu()  # also refuses "meta", which holds no numbers
    except (RuntimeError, AssertionError) as cause:
        raise ConfigError(f"device {name!r} cannot be used here. Take cpu, or auto.") from cause
    return device


def place(
    network: Network, device: torch.device, layout: torch.memory_format = torch.channels_last, *, compiled: bool = False
) -> Network:
    """Bring a network to the device.

    Args:
        network: a whole network; names and values of its weights stay as they are.
        device: where it goes.
        layout: how the weights of convolutions lie in memory.
        compiled: have torch compile the backbone, when it is first used.

    Returns:
        The network.

    Raises:
        ConfigError: it is to be compiled, and there is no compiler for the device.
    """
    network.to(device).to(memory_format=layout)
    if compiled:
        _require_compiler(device)
        # not the whole network: the heads are a thousandth of the work, and what can fail stays readable
        network.get_submodule("backbone").compile()
    return network


def evaluation_batch_size(config: DeviceConfig, device: torch.device) -> int:
    """Images a batch where nothing but speed depends on it (a bound on its pixels holds besides)."""
    if config.eval_batch_size is not None:
        return config.eval_batch_size
    return EVALUATION_BATCH_ON_GPU if device.type == "cuda" else EVALUATION_BATCH


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
    """The NVIDIA or AMD GPUs that this process may use, as CUDA_VISIBLE_DEVICES names them."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    count = torch.cuda.device_count()
    # the variable may name GPUs by number or by UUID, and some that do not exist
    return tuple(named.split(",")[:count]) if named else tuple(map(str, range(count)))
