"""Numeric precision, memory layout and determinism of a run."""

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from linearityiqa.config import OptimiserConfig
from linearityiqa.models.device import Layout, can_be_blocked

DENSE_SHARE = 0.75
"""Share of wide dense kernels among the weights from which on a CPU the usual layout is faster than channels-last."""

WORKSPACE = "CUBLAS_WORKSPACE_CONFIG"


@dataclass(frozen=True)
class Precision:
    """Mixed precision of forward passes; losses and mappings are always float32 or wider."""

    name: str  # as recorded: ``float32`` or ``bfloat16``, for example
    autocast: Callable[[], contextlib.AbstractContextManager[Any]]  # context of a forward pass in training
    evaluation: Callable[[], contextlib.AbstractContextManager[Any]]  # in evaluation: float32 on a CPU, as in scoring
    scaler: torch.amp.GradScaler  # keeps float16 gradients from vanishing; does nothing for other types


def choose_precision(config: OptimiserConfig, device: torch.device) -> Precision:
    """Return float32 for O0, and else autocast where the device computes in 16 bits or `amp_dtype` names a type."""
    dtype = _autocast_dtype(config, device)
    scaler = torch.amp.GradScaler(device.type, enabled=dtype is torch.float16)
    if dtype is None:
        return Precision("float32", contextlib.nullcontext, contextlib.nullcontext, scaler)

    def autocast() -> torch.autocast:
        return torch.autocast(device.type, dtype=dtype)

    name = str(dtype).removeprefix("torch.")
    return Precision(name, autocast, contextlib.nullcontext if device.type == "cpu" else autocast, scaler)


def arithmetic_of(precision: Precision, device: torch.device) -> str:
    """Return precision, device and version of torch, on which roundings depend: equal texts mean equal bits."""
    if device.type == "cpu":
        where = f"cpu ({torch.backends.cpu.get_cpu_capability()}, {torch.get_num_threads()} threads)"
    else:
        where = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    return f"{precision.name} on {where} by torch {torch.__version__}"


def cpu_computes_bfloat16() -> bool:
    """Return whether this processor multiplies bfloat16 natively (AVX512_BF16, AMX), and torch is free to use it.

    False where torch cannot tell (`torch.cpu.get_capabilities` is missing), or `ATEN_CPU_CAPABILITY` forbids it.
    """
    if not torch.backends.cpu.get_cpu_capability().startswith("AVX512"):
        return False
    capabilities: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


class _Float32Convolution(nn.Conv2d):
    """A convolution that leaves a CPU's autocast: its result has the type of its input."""

    def forward(self, maps: Tensor) -> Tensor:
        if not torch.is_autocast_enabled("cpu"):
            return super().forward(maps)
        with torch.autocast("cpu", enabled=False):
            return super().forward(maps.float()).to(maps.dtype)


def keep_depthwise_in_float32(network: nn.Module) -> None:
    """Make depthwise convolutions compute in float32 under a CPU's autocast; weights and their names stay.

    Their gradients in bfloat16 take oneDNN two to three times as long (docs/decisions.md).
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d) and module.groups == module.in_channels > 1:
            own = type(module)  # timm has its own convolutions
            module.__class__ = type(f"Float32{own.__name__}", (_Float32Convolution, own), {})


def choose_layout(network: nn.Module, precision: Precision, device: torch.device, *, blocked: bool = True) -> Layout:
    """Return the memory layout in which a network trains fastest (docs/decisions.md has the figures).

    In float32 a CPU is fastest in oneDNN's own blocks (not used without `blocked`: if the network is compiled, or its
    batch normalisation frozen). Where these are missing, channels-last is faster for 1 x 1 and grouped kernels, and
    slower in the backward pass of wide dense ones. Mixed precision wants channels-last.
    """
    if precision.name != "float32":
        return Layout.CHANNELS_LAST
    if device.type != "cpu":
        return Layout.CHANNELS_LAST if torch.backends.cudnn.allow_tf32 else Layout.USUAL
    if blocked and can_be_blocked(network.get_submodule("backbone")):
        return Layout.BLOCKED
    convolutions = [module for module in network.modules() if isinstance(module, nn.Conv2d)]
    sizes = {module: module.weight.numel() for module in convolutions}
    dense = [module for module in convolutions if module.groups == 1 and max(module.kernel_size) > 1]
    mostly_dense = sum(sizes[module] for module in dense) >= DENSE_SHARE * sum(sizes.values())
    return Layout.USUAL if mostly_dense else Layout.CHANNELS_LAST


@contextlib.contextmanager
def restored_settings() -> Iterator[None]:
    """Restore, after the block, settings of the process: determinism, TF32, threads and random states."""
    cudnn, matmul, memory = torch.backends.cudnn, torch.backends.cuda.matmul, torch.utils.deterministic
    names = ((cudnn, "benchmark"), (cudnn, "deterministic"), (cudnn, "allow_tf32"), (matmul, "allow_tf32"))
    flags = [(owner, name, getattr(owner, name)) for owner, name in (*names, (memory, "fill_uninitialized_memory"))]
    deterministic = torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    threads, workspace = torch.get_num_threads(), os.environ.get(WORKSPACE)
    devices = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else ()  # type: ignore[no-untyped-call]
    try:
        with torch.random.fork_rng(devices):
            yield
    finally:
        for owner, name, value in flags:
            setattr(owner, name, value)
        torch.use_deterministic_algorithms(deterministic, warn_only=warn_only)
        torch.set_num_threads(threads)
        if workspace is None:
            os.environ.pop(WORKSPACE, None)


def make_deterministic(seed: int, *, randomness: bool) -> None:
    """Seed torch's generators, and allow deterministic algorithms and true float32 only.

    With `randomness`, a GPU tries out which algorithms are fastest, and rounds float32 factors to TF32.
    """
    torch.manual_seed(seed)
    torch.backends.cudnn.benchmark = randomness
    torch.backends.cudnn.deterministic = not randomness
    torch.backends.cudnn.allow_tf32 = randomness
    torch.backends.cuda.matmul.allow_tf32 = randomness
    # matrix products of a GPU are deterministic only so; read when the first one is computed
    os.environ.setdefault(WORKSPACE, ":4096:8")
    # warn_only: some backward passes of exotic backbones have no deterministic form on a GPU
    torch.use_deterministic_algorithms(not randomness, warn_only=True)
    # would fill all new memory with nan, to reveal reads of what was never written; there are none here
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]


def _autocast_dtype(config: OptimiserConfig, device: torch.device) -> torch.dtype | None:
    if config.opt_level == "O0":
        return None
    if config.amp_dtype != "auto":
        return torch.bfloat16 if config.amp_dtype == "bfloat16" else torch.float16
    if device.type == "cpu":
        return torch.bfloat16 if cpu_computes_bfloat16() else None
    if device.type != "cuda":
        return None
    # not torch.cuda.is_bf16_supported(), which is also true where bfloat16 is emulated, slowly
    computes_bfloat16 = torch.version.hip is not None or torch.cuda.get_device_capability(device) >= (8, 0)
    return torch.bfloat16 if computes_bfloat16 else torch.float16
