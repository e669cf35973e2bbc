"""Pictures that can be told apart by sight, and changed copies of them: ``from pictures import make_picture``."""

import io
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageEnhance, ImageOps


def make_picture(seed: int, size: tuple[int, int] = (160, 200)) -> Image.Image:
    """A random field whose amplitude falls with frequency, as in photographs, in random colours.

    Args:
        seed: another seed, another picture.
        size: height and width.
    """
    rng = np.random.default_rng([seed, 5])
    fy, fx = np.fft.fftfreq(size[0])[:, None], np.fft.rfftfreq(size[1])
    amplitude = 1 / np.maximum(np.hypot(fy, fx), 1 / max(size)) ** 1.3
    spectrum = amplitude * (rng.standard_normal(amplitude.shape) + 1j * rng.standard_normal(amplitude.shape))
    field = np.fft.irfft2(spectrum, s=size)
    field = 128 + 50 * (field - field.mean()) / field.std()
    tints = rng.uniform(0.7, 1.2, 3)
    return Image.fromarray(np.clip(field[..., None] * tints, 0, 255).astype(np.uint8))


def saved(image: Image.Image, quality: int = 90) -> Image.Image:
    """The image after JPEG compression."""
    stream = io.BytesIO()
    image.convert("RGB").save(stream, "JPEG", quality=quality)
    return Image.open(io.BytesIO(stream.getvalue())).convert("RGB")


def cropped(image: Image.Image, part: float, at: float = 0.5) -> Image.Image:
    """The image without a part of its width and height; `at` 0 cuts at the right and below, 0.5 all around."""
    width, height = round(image.width * (1 - part)), round(image.height * (1 - part))
    left, top = round((image.width - width) * at), round((image.height - height) * at)
    return image.crop((left, top, left + width, top + height))


CHANGES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "recompressed": lambda image: saved(image, 20),
    "half": lambda image: saved(image.resize((image.width // 2, image.height // 2))),
    "squeezed": lambda image: saved(image.resize((image.width, image.height * 3 // 4))),
    "cropped": lambda image: saved(cropped(image, 0.05)),
    "corner": lambda image: saved(cropped(image, 0.04, 0)),
    "cropped more": lambda image: saved(cropped(image, 0.1)),
    "brighter": lambda image: saved(ImageEnhance.Brightness(image).enhance(1.25)),
    "darker": lambda image: saved(ImageEnhance.Brightness(image).enhance(0.6)),
    "flatter": lambda image: saved(ImageEnhance.Contrast(image).enhance(0.6)),
    "grey": lambda image: saved(image.convert("L")),
    "mirrored": lambda image: saved(ImageOps.mirror(image)),
}
"""What makes a near-duplicate of a picture."""
