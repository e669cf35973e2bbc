"""The device that a command's --device names."""

import os
from typing import TypeVar

import torch
from torch import nn

from linearityiqa.config import DeviceConfig
from linearityiqa.errors import ConfigError

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


def place(network: Network, device: torch.device) -> Network:
    """Bring a network to the device, in the memory layout that convolutions are fastest in; returns it."""
    return network.to(device).to(memory_format=torch.channels_last)


def visible_gpus() -> tuple[str, ...]:
    """The NVIDIA or AMD GPUs that this process may use, as CUDA_VISIBLE_DEVICES names them."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    count = torch.cuda.device_count()
    # the variable may name GPUs by number or by UUID, and some that do not exist
    return tuple(named.split(",")[:count]) if named else tuple(map(str, range(count)))
