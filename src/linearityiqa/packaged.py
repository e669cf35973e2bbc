"""The model that comes with the package, for onnxruntime and for torch, and its card."""

import importlib.resources
from pathlib import Path

from linearityiqa.errors import ModelFileError

_FOLDER = Path(str(importlib.resources.files("linearityiqa"))) / "bundled"
BUNDLED = "bundled"
"""What names the model in the package where a model file may stand."""


def bundled_model() -> Path:
    """The ONNX file of the model in the package.

    Raises:
        ModelFileError: the installation lacks it.
    """
    return _present(_FOLDER / "model.onnx")


def bundled_weights() -> Path:
    """The same model for torch, to go on training from (float16; `linearityiqa train --init bundled`).

    Raises:
        ModelFileError: the installation lacks it.
    """
    return _present(_FOLDER / "model.safetensors")


def bundled_card() -> Path:
    """The model card: what the model in the package was trained on, its figures, and what it is not for (Markdown).

    Raises:
        ModelFileError: the installation lacks it.
    """
    return _present(_FOLDER / "card.md")


def is_bundled(path: Path) -> bool:
    """Whether a path is that of the model in the package."""
    return path.resolve() == (_FOLDER / "model.onnx").resolve()


def _present(path: Path) -> Path:
    if not path.is_file():
        raise ModelFileError(
            f"the installation lacks {path.name} of the model in the package: name one of your own with --model FILE, "
            "or install linearityiqa again"
        )
    return path
