"""A photograph that no training image comes from, and degraded copies of it, to show what scores mean."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from linearityiqa.config import SyntheticConfig
from linearityiqa.data.synthetic.distortions import ByteImage, Distort, gaussian_blur, gaussian_noise, jpeg, resample
from linearityiqa.data.synthetic.folder import write_png
from linearityiqa.data.synthetic.references import Reference, load_reference

SHOWN = Reference("chelsea", "test", 4)
"""A photograph of the test split."""

CLEAN = "clean"
SEVERITY = 0.6
DEGRADATIONS: Mapping[str, tuple[Distort, ...]] = {
    "blurred": (gaussian_blur,),
    "noisy": (gaussian_noise,),
    "compressed": (jpeg,),
    "enlarged": (resample,),
    "noisy and compressed": (gaussian_noise, jpeg),
}
"""What is done to it, each step at `SEVERITY`."""


def write_showcase(folder: Path, config: SyntheticConfig) -> dict[str, Path]:
    """Write the photograph at the database's height, and its degraded copies.

    Returns:
        The files, by `CLEAN` and the names of `DEGRADATIONS`.

    Raises:
        DataError: the installed scikit-image does not carry the photograph.
        OSError: the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    clean = _reduced(load_reference(SHOWN, config), config.height)
    versions = {CLEAN: clean}
    for name, steps in DEGRADATIONS.items():
        pixels = clean
        for step in steps:
            pixels = step(pixels, SEVERITY, np.random.default_rng(config.seed))
        versions[name] = pixels
    return {name: write_png(folder / f"{name.replace(' ', '_')}.png", pixels) for name, pixels in versions.items()}


def _reduced(image: ByteImage, height: int) -> ByteImage:
    width = round(image.shape[1] * height / image.shape[0])
    return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.LANCZOS))
