"""Initial weights of a backbone: torchvision's ImageNet weights, or a state dict in a file."""

import re
from collections.abc import Mapping
from http.client import HTTPException
from pathlib import Path

import torch
import torchvision
from torch import Tensor, nn

from linearityiqa.errors import ConfigError, ModelFileError
from linearityiqa.models.tensors import (
    difference,
    file_kind,
    is_batch_counter,
    read_safetensors,
    read_torch,
    state_dict_in,
)


def imagenet_file(architecture: str) -> Path:
    """The file of torchvision's first ImageNet weights in torch's hub cache, fetched if it is not there yet.

    Raises:
        ConfigError: torchvision has none for this architecture.
        ModelFileError: they cannot be fetched; names the file, and where to put it.
    """
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


def read_weights(path: Path, published_names: Mapping[str, str], backbone: nn.Module, what: str) -> dict[str, Tensor]:
    """A state dict for `backbone` from a file.

    Args:
        path: .pth or .safetensors: a state dict of the published network, with or without its classifier; of the
            backbone alone; or a model file of this package.
        published_names: key in the backbone -> key in the published network.
        backbone: gives the expected shapes.
        what: the architecture, for messages.

    Raises:
        ModelFileError: not such a file, or of another architecture.
    """
    if file_kind(path) == "safetensors":
        given, _ = read_safetensors(path)
    else:
        given = state_dict_in(read_torch(path), path)
    # torchvision's DenseNet files of 2017 write norm.1 for norm1
    given = {
        re.sub(r"(denselayer\d+\.(?:norm|relu|conv))\.(\d)", r"\1\2", name): value for name, value in given.items()
    }
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
