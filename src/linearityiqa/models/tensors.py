"""Read files of tensors without running code in them, and compare their content with a network."""

import re
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import safetensors
import torch
from torch import Tensor

from linearityiqa.errors import ModelFileError
from linearityiqa.files import ZIP_START
from linearityiqa.numpy_pickles import NUMPY_VALUES

MAX_HEADER_BYTES = 16 * 2**20
"""Bound on a safetensors header; a network of a thousand layers needs about 1 % of it."""


def read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read tensors and metadata of a safetensors file; ModelFileError if it is damaged or its header too long."""
    try:
        with path.open("rb") as stream:
            (header_bytes,) = struct.unpack("<Q", stream.read(8))
        if header_bytes > MAX_HEADER_BYTES:
            raise ModelFileError(
                f"{path} is refused: its header claims {header_bytes} bytes, more than the {MAX_HEADER_BYTES} allowed. "
                "Copy the file again."
            )
        with safetensors.safe_open(path, framework="pt") as archive:
            return {name: archive.get_tensor(name) for name in archive.keys()}, archive.metadata() or {}  # noqa: SIM118
    except (safetensors.SafetensorError, struct.error, OSError) as cause:
        raise ModelFileError(f"{path} is truncated or damaged ({cause}). Copy the file again.") from cause


def read_torch(path: Path) -> Any:
    """Read a `torch.save` file: tensors, containers, numbers, strings and numpy's plain values, nothing else."""
    _check_archive(path)
    try:
        with torch.serialization.safe_globals(NUMPY_VALUES):
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as cause:  # a damaged pickle raises whatever the broken bytes lead to
        # the unpickler names what it refuses; every other failure is damage
        asked = re.search(r"GLOBAL ([\w.]+)|reduce for unrecognized function (\S+)", str(cause))
        if asked:
            raise ModelFileError(
                f"{path} is refused: its pickle asks for {asked[1] or asked[2]}, and loading that could run code. "
                "Save the state dict alone, where you trust the file."
            ) from cause
        raise ModelFileError(f"{path} is truncated or not a PyTorch checkpoint of tensors. Copy it again.") from cause


def _check_archive(path: Path) -> None:
    """Refuse a zip archive that is cut short, or that unpacks to more than its own size (torch compresses nothing)."""
    with path.open("rb") as stream:
        if stream.read(4) != ZIP_START:
            return
    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
        if unpacked <= path.stat().st_size:
            check_crcs(path)
    except (zipfile.BadZipFile, OSError, ValueError, struct.error, NotImplementedError) as cause:
        raise ModelFileError(f"{path} is truncated or damaged ({cause}). Copy the file again.") from cause
    if unpacked > path.stat().st_size:
        raise ModelFileError(f"{path} is refused: it would unpack to {unpacked} bytes. Save it again with torch.save.")


def check_crcs(file: Path | IO[bytes]) -> None:
    """Check the content of a zip archive, such as torch.save writes, which torch.load does not."""
    with zipfile.ZipFile(file) as archive:
        damaged = archive.testzip()
    if damaged is not None:
        raise zipfile.BadZipFile(f"its entry {damaged} is damaged")


def state_dict_in(content: Any, path: Path) -> dict[str, Tensor]:
    """Return the state dict in a checkpoint or its entry ``model`` or ``state_dict``, without DataParallel's prefix."""
    if isinstance(content, Mapping) and {"fingerprint", "phase", "optimizer"} <= set(content):
        raise ModelFileError(
            f"{path} is the state that a training run resumes from, not a model. Name the model.safetensors in its "
            "folder, which the run writes when it ends."
        )
    for entry in ("model", "state_dict"):
        if isinstance(content, Mapping) and isinstance(content.get(entry), Mapping):
            content = content[entry]
    if not isinstance(content, Mapping) or not content:
        raise ModelFileError(f"{path} holds no state dict. Save it with torch.save(network.state_dict(), FILE).")
    for name, value in content.items():
        dense = isinstance(value, Tensor) and value.layout == torch.strided and value.device.type == "cpu"
        if not isinstance(name, str) or not dense or value.is_quantized:
            raise ModelFileError(f"{path}: entry {name!r} of the state dict is no dense tensor. Save the model again.")
    return {name.removeprefix("module."): value for name, value in content.items()}


def difference(expected: Mapping[str, Tensor], given: Mapping[str, Tensor], *, extra_allowed: bool = False) -> str:
    """Describe how a file's state dict differs from the expected one in names and shapes; empty if it fits.

    Counters of batches may be absent, as in old checkpoints; with `extra_allowed` the file may hold more.
    """
    missing = [name for name in expected if name not in given and not is_batch_counter(name)]
    extra = [] if extra_allowed else [name for name in given if name not in expected]
    changed = [
        f"{name}: {_shape(given[name])} in the file, {_shape(tensor)} in the network"
        for name, tensor in expected.items()
        if name in given and _shape(given[name]) != _shape(tensor)
    ]
    findings = ((missing, "missing"), (extra, "not part of the network"), (changed, "of another shape"))
    return "; ".join(_finding(names, what) for names, what in findings if names)


def is_batch_counter(name: str) -> bool:
    """Return whether a tensor counts the batches of a batch normalisation (unused, absent before torch 0.4.1)."""
    return name.endswith(".num_batches_tracked")


def _finding(names: list[str], what: str) -> str:
    if len(names) == 1:
        return f"1 tensor is {what} ({names[0]})"
    return f"{len(names)} tensors are {what} ({names[0]}, ...)"


def _shape(tensor: Tensor) -> str:
    return " x ".join(map(str, tensor.shape)) or "scalar"
