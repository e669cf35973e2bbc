"""Pictures that can be told apart by sight, changed copies of them, and their files."""

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps

from linearityiqa.errors import UnreadableImageError
from linearityiqa.images import decode


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


def encoded(image: Image.Image, image_format: str = "PNG", **options: object) -> bytes:
    """The content of the image's file."""
    stream = io.BytesIO()
    image.save(stream, image_format, **options)
    return stream.getvalue()


def png(width: int, height: int, depth: int, colour: int, samples: bytes) -> bytes:
    """A PNG of one row of samples, as Pillow cannot write it."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0" + samples)) + chunk(b"IEND", b"")


def tiff(tags: dict[int, int], data: bytes) -> bytes:
    """A TIFF of these whole numbers by tag, in their order, with data at the place 200."""
    directory = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    return (b"II*\0" + struct.pack("<IH", 8, len(tags)) + directory).ljust(200, b"\0") + data


def grey_tiff(samples: bytes, width: int, bits: int, photometric: int) -> bytes:
    """A TIFF of one row, as Pillow cannot write it."""
    tags = {256: width, 257: 1, 258: bits, 259: 1, 262: photometric, 273: 200, 277: 1, 279: len(samples)}
    return tiff(tags, samples)


def refusal(source: Path | bytes, **options: object) -> str:
    """The message with which `decode` refuses an image: plain sentences, no traceback."""
    with pytest.raises(UnreadableImageError) as caught:
        decode(source, **options)
    message = str(caught.value)
    assert "\n" not in message
    assert message.endswith(".")
    assert len(message) < 400
    return message


def saved(image: Image.Image, quality: int = 90) -> Image.Image:
    """The image after JPEG compression."""
    return Image.open(io.BytesIO(encoded(image.convert("RGB"), "JPEG", quality=quality))).convert("RGB")


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
