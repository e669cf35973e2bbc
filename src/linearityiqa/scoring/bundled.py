"""The small model that comes with the package, and the card that says what it is and is not."""

import importlib.resources
from pathlib import Path

from linearityiqa.errors import ModelFileError
from linearityiqa.scoring.runtime import HOW_TO_GET_A_MODEL

_FOLDER = Path(str(importlib.resources.files("linearityiqa"))) / "bundled"


def bundled_model() -> Path:
    """The ONNX file of the model in the package.

    Raises:
        ModelFileError: the installation lacks it.
    """
    return _present(_FOLDER / "model.onnx")


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
            f"no model is named, and this version brings none of its own: --model FILE. {HOW_TO_GET_A_MODEL}"
        )
    return path
