"""The network and its files (extra: train)."""

from linearityiqa.extras import require

for _module in ("torch", "torchvision", "safetensors"):
    require(_module, "train")

from linearityiqa.models.backbones import check_architecture, known_architectures  # noqa: E402
from linearityiqa.models.files import TrainedModel, load_model, open_model, save_model  # noqa: E402
from linearityiqa.models.network import LinearityIQA  # noqa: E402

__all__ = [
    "LinearityIQA",
    "TrainedModel",
    "check_architecture",
    "known_architectures",
    "load_model",
    "open_model",
    "save_model",
]
