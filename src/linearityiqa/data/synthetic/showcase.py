"""Two photographs to show what a score means: one that no training image comes from, and its degraded copy."""

from pathlib import Path

import numpy as np
from PIL import Image

from linearityiqa.config import SyntheticConfig
from linearityiqa.data.synthetic.distortions import gaussian_noise, jpeg
from linearityiqa.data.synthetic.folder import write_png
from linearityiqa.data.synthetic.light import ByteImage
from linearityiqa.data.synthetic.references import Reference, load_reference

SHOWN = Reference("chelsea", "test", 4)
"""A photograph of the test split."""

SEVERITY = 0.6


def write_showcase(folder: Path, config: SyntheticConfig) -> tuple[Path, Path]:
    """Write the photograph at the database's height, and a copy with noise and JPEG artefacts.

    Returns:
        The files of the clean and of the degraded photograph.

    Raises:
        DataError: the installed scikit-image does not carry the photograph.
        OSError: the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    clean = _reduced(load_reference(SHOWN, config), config.height)
    noisy = gaussian_noise(clean, SEVERITY, np.random.default_rng(config.seed))
    degraded = jpeg(noisy, SEVERITY, np.random.default_rng(config.seed))
    paths = folder / "clean.png", folder / "degraded.png"
    for path, pixels in zip(paths, (clean, degraded), strict=True):
        write_png(path, pixels)
    return paths


def _reduced(image: ByteImage, height: int) -> ByteImage:
    width = round(image.shape[1] * height / image.shape[0])
    return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.LANCZOS))
