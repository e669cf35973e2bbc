"""Two degraded versions of a training image, mild and severe: pairs whose order is known without asking people."""

import numpy as np
from PIL import Image, ImageFilter
from scipy import ndimage

from linearityiqa.data.synthetic.distortions import (
    ByteImage,
    Distortion,
    between,
    gaussian_blur,
    gaussian_noise,
    impulse_noise,
    jpeg,
    jpeg2000,
    motion_blur,
    recode,
    resample,
    shot_noise,
    to_bytes,
)

MILDEST = 0.15
"""Least severity: people hardly see less."""
LEAST_STEP = 0.2
"""Least difference in severity of the two versions."""


def webp(image: ByteImage, severity: float, _: np.random.Generator) -> ByteImage:
    """WebP, quality 80 down to 0."""
    return recode(image, format="WEBP", quality=round(80 * (1 - severity)), method=0)


def oversharpened(image: ByteImage, severity: float, _: np.random.Generator) -> ByteImage:
    """Unsharp mask of radius 2 pixels, 2 to 10 times the difference added."""
    mask = ImageFilter.UnsharpMask(radius=2, percent=round(100 * between(2.0, 10.0, severity)), threshold=0)
    return np.asarray(Image.fromarray(image).filter(mask))


def smoothed(image: ByteImage, severity: float, _: np.random.Generator) -> ByteImage:
    """Noise removed too much: a self-guided filter (He et al., 2013), which keeps edges and loses texture."""
    values = image.astype(np.float32) / 255
    size = (2 * round(between(2.0, 8.0, severity)) + 1,) * 2 + (1,)
    mean = ndimage.uniform_filter(values, size)
    variance = ndimage.uniform_filter(values * values, size) - mean * mean
    gain = variance / (variance + np.float32(between(3e-4, 3e-2, severity)))
    result = ndimage.uniform_filter(gain, size) * values + ndimage.uniform_filter((1 - gain) * mean, size)
    return to_bytes(np.asarray(result, np.float32))


KINDS: tuple[Distortion, ...] = (
    gaussian_blur, motion_blur, shot_noise, gaussian_noise, impulse_noise, resample, jpeg, jpeg2000, webp,
    oversharpened, smoothed,
)  # fmt: skip
"""Degradations that make any photograph worse; exposure and contrast are not among them."""


def degraded(image: ByteImage, level: int, rng: np.random.Generator) -> ByteImage:
    """Return the version of `level` (1 is mild, 2 severe) of an image, uint8 (H, W, 3).

    Kind and severities are drawn from `rng`, the same for both levels; so is the grain of noise.
    """
    kind = KINDS[rng.integers(len(KINDS))]
    mild = rng.uniform(MILDEST, 1 - LEAST_STEP)
    severe = rng.uniform(mild + LEAST_STEP, 1)
    return kind(image, mild if level == 1 else severe, rng)
