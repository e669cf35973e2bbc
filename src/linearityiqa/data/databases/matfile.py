"""Single variables of MATLAB files up to version 7, as published databases have them (version 7.3: see infomat)."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from linearityiqa.errors import DataError
from linearityiqa.extras import require

MAX_BYTES = 1 << 20
"""Largest .mat file that is read (those of the releases have some 10 kB; compression grows one at most 1000-fold)."""

_NUMBERS = ("double", "single", "logical", "uint8")


def read_numbers(path: Path, name: str, release: str) -> NDArray[np.float64]:
    """A numeric variable as a flat array.

    Args:
        path: the file.
        name: the variable; nothing else in the file is read.
        release: the database, for messages.

    Raises:
        DataError: the file is missing, damaged, too large or without such a variable.
        MissingExtraError: SciPy is not installed.
    """
    return _variable(path, name, _NUMBERS, release).astype(np.float64)


def read_texts(path: Path, name: str, release: str) -> tuple[str, ...]:
    """A cell array of texts, flat; arguments and errors as those of `read_numbers`."""
    cells = _variable(path, name, ("cell",), release)
    return tuple(_text(cell, path, row, release) for row, cell in enumerate(cells))


def _variable(path: Path, name: str, classes: tuple[str, ...], release: str) -> NDArray[Any]:
    scipy_io = require("scipy.io", "train")
    if not path.is_file():
        raise DataError(f"the {release} release lacks {path}. Copy it again.")
    if path.stat().st_size > MAX_BYTES:
        raise DataError(f"{path} has more than {MAX_BYTES} bytes: it is not of the {release} release.")
    try:
        kinds = {entry[0]: entry[2] for entry in scipy_io.whosmat(path)}
        values = scipy_io.loadmat(path, variable_names=[name])[name] if kinds.get(name) in classes else None
    except Exception as cause:  # a damaged file fails in many ways inside SciPy
        raise DataError(f"{path} cannot be read as a MATLAB file: {cause}. Copy it from the release again.") from cause
    if values is None:
        held = ", ".join(f"{key} ({value})" for key, value in kinds.items()) or "nothing"
        raise DataError(
            f"{path} has no variable {name} of class {classes[0]}; it has {held}. Copy it from the release again."
        )
    return np.ravel(values)


def _text(cell: Any, path: Path, row: int, release: str) -> str:
    if not (isinstance(cell, np.ndarray) and cell.dtype.kind == "U" and cell.size == 1):
        raise DataError(f"{path}: entry {row + 1} is not an image name. Copy it from the {release} release again.")
    return str(cell.item())
