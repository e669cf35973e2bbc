"""LIVE In the Wild Image Quality Challenge Database, CLIVE (Ghadiyaram, Bovik, IEEE TIP 2016): the official release."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from linearityiqa.data.faults import OnFault, refuse
from linearityiqa.data.known import KnownDatabase
from linearityiqa.data.labels import Labels
from linearityiqa.errors import DataError
from linearityiqa.extras import require
from linearityiqa.quality import QualityScale

TRAINING_EXAMPLES = 7
"""The first images of the release trained the human observers; they are no part of the database."""

MAX_BYTES = 1 << 20
"""Largest .mat file that is read (the release's have some 10 kB; compression grows a file at most 1000-fold)."""

_NUMBERS = ("double", "single")

SCALE = QualityScale(low=0, high=100)


def read_clive(path: Path, on_fault: OnFault = refuse) -> Labels:
    """Read the official release from its folder ``Data/``.

    Args:
        path: ``AllMOS_release.mat``; ``AllImages_release.mat`` and ``AllStdDev_release.mat`` lie beside it.
        on_fault: what is done about scores and deviations that are none.

    Returns:
        Labels of all images but the training examples, MOS and standard deviations in 0..100.

    Raises:
        DataError: a file that is missing, damaged or of another layout.
        MissingExtraError: SciPy is not installed.
    """
    cells = _variable(path.with_name("AllImages_release.mat"), "AllImages_release", ("cell",))
    mos = _variable(path, "AllMOS_release", _NUMBERS).astype(np.float64)
    mos_std = _variable(path.with_name("AllStdDev_release.mat"), "AllStdDev_release", _NUMBERS).astype(np.float64)
    if not len(cells) == len(mos) == len(mos_std):
        raise DataError(
            f"{path.parent}: {len(cells)} image names, {len(mos)} scores and {len(mos_std)} standard deviations do not "
            "belong together. Copy the release again."
        )
    names = tuple(_text(cell, path.with_name("AllImages_release.mat"), row) for row, cell in enumerate(cells))
    kept = slice(TRAINING_EXAMPLES, None)
    return Labels(file=path, names=names[kept], mos=mos[kept], scale=SCALE, mos_std=mos_std[kept], on_fault=on_fault)


def _variable(path: Path, name: str, classes: tuple[str, ...]) -> NDArray[Any]:
    """A variable of a MATLAB file as a flat array; nothing else in the file is read."""
    scipy_io = require("scipy.io", "train")
    if not path.is_file():
        raise DataError(f"the CLIVE release lacks {path}. Copy its Data folder again.")
    if path.stat().st_size > MAX_BYTES:
        raise DataError(f"{path} has more than {MAX_BYTES} bytes: it is not of the CLIVE release.")
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


def _text(cell: Any, path: Path, row: int) -> str:
    if not (isinstance(cell, np.ndarray) and cell.dtype.kind == "U" and cell.size == 1):
        raise DataError(f"{path}: entry {row + 1} is not an image name. Copy the file from the release again.")
    return str(cell.item())


CLIVE = KnownDatabase(
    name="CLIVE",
    images=1162,
    scale=SCALE,
    source="LIVE In the Wild Image Quality Challenge Database: live.ece.utexas.edu/research/ChallengeDB",
    licence="free to use, copy and distribute with the copyright notice of the University of Texas at Austin",
    inner_folders=("", "Images"),
    link_target="ChallengeDB_release/Images",
    release_file="AllMOS_release.mat",
    release_folders=("Data", "../Data"),
    read_release=read_clive,
    common_size=(500, 500),
)
