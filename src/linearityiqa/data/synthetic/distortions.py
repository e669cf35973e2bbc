"""Distortions of continuous severity, in the order in which a camera inflicts them.

Each takes an image, a severity in [0, 1] (0 changes next to nothing) and a generator, and returns an image of the same
shape. Most parameters run geometrically from mild to severe (`between`); all bounds were chosen so that the label falls
about evenly from about 95 to about 20.
"""

import functools
import io
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from scipy import fft, ndimage

FloatImage = NDArray[np.float32]
"""Values in [0, 1], shape (height, width, 3)."""

ByteImage = NDArray[np.uint8]
"""An sRGB image as it is stored, shape (height, width, 3)."""


_LEVELS = np.arange(256) / 255.0
_LIGHT_OF_BYTE = np.where(_LEVELS <= 0.04045, _LEVELS / 12.92, ((_LEVELS + 0.055) / 1.055) ** 2.4).astype(np.float32)


def to_light(image: ByteImage) -> FloatImage:
    """Return the relative light of an sRGB image (IEC 61966-2-1), in [0, 1]."""
    return _LIGHT_OF_BYTE[image]


def to_display(light: FloatImage) -> ByteImage:
    """Return the sRGB image of relative light; what exceeds [0, 1] is clipped, as a sensor clips it."""
    clipped = np.clip(light, 0.0, 1.0)
    encoded = np.where(clipped <= 0.0031308, 12.92 * clipped, 1.055 * clipped ** np.float32(1 / 2.4) - 0.055)
    return to_bytes(encoded)


def to_bytes(values: FloatImage) -> ByteImage:
    """Round values in [0, 1] to 8 bits; others are clipped."""
    return np.asarray(np.rint(np.clip(values, 0.0, 1.0) * 255.0), dtype=np.uint8)


Distortion = Callable[[ByteImage, float, np.random.Generator], ByteImage]
"""An image, a severity in [0, 1] and a generator to the distorted image; the function's name is the distortion's."""


def between(mild: float, severe: float, severity: float) -> float:
    """Return the geometric course of a parameter from `mild` at severity 0 to `severe` at 1.

    >>> between(1.0, 100.0, 0.5)
    10.0
    """
    return float(mild * (severe / mild) ** severity)


def gaussian_blur(image: ByteImage, severity: float, _: np.random.Generator) -> ByteImage:
    """Blur in light by a Gaussian of standard deviation 0.4 to 6 pixels."""
    sigma = between(0.4, 6.0, severity)
    return to_display(ndimage.gaussian_filter(to_light(image), (sigma, sigma, 0), mode="reflect"))


def motion_blur(image: ByteImage, severity: float, rng: np.random.Generator) -> ByteImage:
    """Blur in light along a line of random direction, 2 to 30 pixels long."""
    kernel = motion_kernel(between(2.0, 30.0, severity), rng.uniform(0, np.pi))
    reach = kernel.shape[0] // 2
    padded = np.pad(to_light(image), ((reach, reach), (reach, reach), (0, 0)), mode="symmetric")
    # the product of transforms is a circular convolution, whose first 2 * reach rows and columns are not needed
    size = [fft.next_fast_len(side, real=True) for side in padded.shape[:2]]
    product = fft.rfft2(padded, size, axes=(0, 1)) * fft.rfft2(kernel, size)[..., None]
    blurred = fft.irfft2(product, size, axes=(0, 1))[2 * reach : padded.shape[0], 2 * reach : padded.shape[1]]
    return to_display(blurred)


def motion_kernel(length: float, angle: float) -> NDArray[np.float32]:
    """Return the weights of a straight, even motion: a line of `length` pixels, its points shared among neighbours.

    Returns:
        An odd square of non-negative weights, sum 1, symmetric about its centre.
    """
    reach = int(np.ceil(length / 2))
    kernel = np.zeros((2 * reach + 1, 2 * reach + 1), dtype=np.float32)
    points = np.linspace(-0.5, 0.5, 4 * reach + 1) * (length - 1)
    rows, columns = points * np.sin(angle) + reach, points * np.cos(angle) + reach
    for row_offset in (0, 1):
        for column_offset in (0, 1):
            near_row, near_column = np.floor(rows) + row_offset, np.floor(columns) + column_offset
            weight = (1 - np.abs(rows - near_row)) * (1 - np.abs(columns - near_column))
            inside = weight > 0
            np.add.at(kernel, (near_row[inside].astype(int), near_column[inside].astype(int)), weight[inside])
    return np.asarray(kernel / kernel.sum())


def exposure(image: ByteImage, severity: float, rng: np.random.Generator) -> ByteImage:
    """Over- or underexposed, at random, by up to 2.3 stops; highlights clip."""
    stops = 2.3 * severity * rng.choice([-1.0, 1.0])
    return to_display(to_light(image) * np.float32(2.0**stops))


def darkening(image: ByteImage, severity: float, _: np.random.Generator) -> ByteImage:
    """Underexposed by up to 3 stops."""
    return to_display(to_light(image) * np.float32(2.0 ** (-3.0 * severity)))


def low_contrast(image: ByteImage, severity: float, _: np.random.Generator) -> ByteImage:
    """Values drawn towards the image's mean colour, as by haze: contrast 1 down to 0.22."""
    values = image.astype(np.float32) / 255
    mean = values.mean(axis=(0, 1), dtype=np.float64).astype(np.float32)
    return to_bytes(mean + (values - mean) * np.float32(1 - 0.78 * severity))


def shot_noise(image: ByteImage, severity: float, rng: np.random.Generator) -> ByteImage:
    """Photon noise: counts of a Poisson distribution in light; white is 2000 down to 8 photons."""
    photons = between(2000.0, 8.0, severity)
    return to_display((rng.poisson(to_light(image) * photons) / photons).astype(np.float32))


def gaussian_noise(image: ByteImage, severity: float, rng: np.random.Generator) -> ByteImage:
    """Independent Gaussian noise in each colour channel, standard deviation 3 to 55 of 255."""
    sigma = np.float32(between(3.0, 55.0, severity) / 255)
    return to_bytes(image.astype(np.float32) / 255 + sigma * rng.standard_normal(image.shape, dtype=np.float32))


def impulse_noise(image: ByteImage, severity: float, rng: np.random.Generator) -> ByteImage:
    """Dead and hot pixels: 0.2 to 17 per cent of the pixels turn black or white."""
    draw = rng.random(image.shape[:2])
    share = between(0.002, 0.17, severity)
    result = image.copy()
    result[draw < share / 2] = 0
    result[draw > 1 - share / 2] = 255
    return result


def resample(image: ByteImage, severity: float, _: np.random.Generator) -> ByteImage:
    """Reduced 1.2 to 14 times in each direction, then enlarged again (bicubic)."""
    height, width = image.shape[:2]
    factor = between(1.2, 14.0, severity)
    small = max(1, round(width / factor)), max(1, round(height / factor))
    reduced = Image.fromarray(image).resize(small, Image.Resampling.BICUBIC)
    return np.asarray(reduced.resize((width, height), Image.Resampling.BICUBIC))


def jpeg(image: ByteImage, severity: float, _: np.random.Generator) -> ByteImage:
    """JPEG with the standard tables times 0.2 to 30: quality 90 down to 2, without the steps of whole numbers."""
    factor = between(0.2, 30.0, severity)
    tables = [np.clip(np.rint(factor * table), 1, 255).astype(int).tolist() for table in _standard_tables()]
    return recode(image, format="JPEG", qtables=tables, subsampling="4:2:0")


def jpeg2000(image: ByteImage, severity: float, _: np.random.Generator) -> ByteImage:
    """JPEG 2000, compressed 4 to 300 times."""
    ratio = between(4.0, 300.0, severity)
    return recode(image, format="JPEG2000", quality_mode="rates", quality_layers=[ratio], irreversible=True)


def recode(image: ByteImage, **options: Any) -> ByteImage:
    """Save an image in a lossy file format and read it again; the options are those of Pillow's `Image.save`."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, **options)
    with Image.open(buffer) as decoded:
        return np.asarray(decoded.convert("RGB"))


@functools.cache
def _standard_tables() -> tuple[NDArray[np.float64], ...]:
    """Return the quantisation tables of the JPEG standard (Annex K), as libjpeg writes them at quality 50."""
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, format="JPEG", quality=50)
    with Image.open(buffer) as image:
        tables: dict[int, list[int]] = image.quantization  # type: ignore[attr-defined]
        return tuple(np.array(tables[number], dtype=np.float64) for number in sorted(tables))


DISTORTIONS: tuple[Distortion, ...] = (
    gaussian_blur, motion_blur, exposure, low_contrast, shot_noise, gaussian_noise, impulse_noise, resample, jpeg,
    jpeg2000,
)  # fmt: skip
"""Lens and movement, exposure and sensor, scaling, compression. Two at once are applied in this order."""

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
