"""The model that comes with the package, for onnxruntime and for torch, and its card.

Each function raises ModelFileError where the installation lacks the file.
"""

import importlib.resources
from pathlib import Path

from linearityiqa.errors import ModelFileError

_FOLDER = Path(str(importlib.resources.files("linearityiqa"))) / "bundled"
BUNDLED = "bundled"
"""Name of the model in the package, in place of a model file."""


def bundled_model() -> Path:
    """The ONNX file of the model in the package."""
    return _present("model.onnx")


def bundled_weights() -> Path:
    """The same model for torch, to train further (float16; `linearityiqa train --init bundled`)."""
    return _present("model.safetensors")


def bundled_card() -> Path:
    """The model card (Markdown): what the model was trained on, its figures, and what it is not for."""
    return _present("card.md")


def is_bundled(path: Path) -> bool:
    """Whether a path is that of the model in the package."""
    return path.resolve() == (_FOLDER / "model.onnx").resolve()


def _present(name: str) -> Path:
    path = _FOLDER / name
    if not path.is_file():
        raise ModelFileError(
            f"the installation lacks {name} of the model in the package: name one of your own with --model FILE, "
            "or install linearityiqa again"
        )
    return path
