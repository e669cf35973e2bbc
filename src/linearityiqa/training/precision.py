"""Numeric precision and determinism of a run."""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from linearityiqa.config import OptimiserConfig


@dataclass(frozen=True)
class Precision:
    """Mixed precision of forward passes; losses and mappings are always float32 or wider.

    Attributes:
        name: what is recorded, e.g. ``float32`` or ``bfloat16``.
        autocast: makes the context of a forward pass.
        scaler: scales losses so that float16 gradients do not vanish; passes everything through otherwise.
    """

    name: str
    autocast: Callable[[], contextlib.AbstractContextManager[Any]]
    scaler: torch.amp.GradScaler


def choose_precision(config: OptimiserConfig, device: torch.device) -> Precision:
    """O0 is float32; the other levels are autocast on a GPU, and on a CPU only where `amp_dtype` names a type."""
    dtype = _autocast_dtype(config, device)
    scaler = torch.amp.GradScaler(device.type, enabled=dtype is torch.float16)
    if dtype is None:
        return Precision("float32", contextlib.nullcontext, scaler)
    name = str(dtype).removeprefix("torch.")
    return Precision(name, lambda: torch.autocast(device.type, dtype=dtype), scaler)


def make_deterministic(seed: int, *, randomness: bool) -> None:
    """Seed torch's generators and, unless `randomness`, allow deterministic algorithms only."""
    torch.manual_seed(seed)
    torch.backends.cudnn.benchmark = randomness
    torch.backends.cudnn.deterministic = not randomness
    # warn_only: some backward passes of exotic backbones have no deterministic form on a GPU
    torch.use_deterministic_algorithms(not randomness, warn_only=True)


def _autocast_dtype(config: OptimiserConfig, device: torch.device) -> torch.dtype | None:
    if config.opt_level == "O0":
        return None
    if config.amp_dtype != "auto":
        return torch.bfloat16 if config.amp_dtype == "bfloat16" else torch.float16
    if device.type != "cuda":
        return None
    return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
