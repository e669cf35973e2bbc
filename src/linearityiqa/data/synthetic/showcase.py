"""Two photographs to score: a clean one, and a degraded copy of it."""

from pathlib import Path

import numpy as np

from linearityiqa.config import SyntheticConfig
from linearityiqa.data.synthetic.distortions import DISTORTIONS
from linearityiqa.data.synthetic.folder import write_png
from linearityiqa.data.synthetic.labels import Severity
from linearityiqa.data.synthetic.references import cut, list_references, load_reference

PHOTOGRAPH = "chelsea"
"""A photograph of the test split: no model has been trained on any part of it."""

DEGRADATIONS = {"shot_noise": 0.55, "jpeg": 0.6}
"""What is done to the copy, and how severely: a dim room and a small file."""


def write_showcase(folder: Path, *, height: int = 240, width: int = 320) -> tuple[Path, Path]:
    """Write `clean.png` and `degraded.png`; the same bytes at each call.

    Args:
        folder: where they go; made where necessary.
        height: height in pixels; best as in the database that the model was trained on.
        width: width in pixels.

    Returns:
        The clean photograph, the degraded one.

    Raises:
        ConfigError: a size that the database cannot have either.
        DataError: scikit-image lacks the photograph.
        OSError: the folder cannot be written.
    """
    config = SyntheticConfig(height=height, width=width)
    reference = next(each for each in list_references(config.dead_leaves) if each.name == PHOTOGRAPH)
    clean = cut(load_reference(reference, config), height, width, np.random.default_rng(0))
    degraded = clean
    for distortion in DISTORTIONS:
        if distortion.name in DEGRADATIONS:
            degraded = Severity(distortion, DEGRADATIONS[distortion.name], seed=0).apply(degraded)
    return write_png(folder / "clean.png", clean), write_png(folder / "degraded.png", degraded)
