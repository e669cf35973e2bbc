"""Small pictures of photographs and of their quality maps, for pages that show many of them."""

import base64
import io
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from linearityiqa.errors import UnreadableImageError
from linearityiqa.images import opened, to_rgb
from linearityiqa.scoring.quality_map import ENDS, STRONGEST, TINT, QualityMap, key_height

THUMBNAIL_PIXELS = 224 * 168
"""Pixels of a thumbnail: about 4 kB."""
THUMBNAIL_QUALITY = 50
"""Quality of its compression, 0 to 100."""
MOST_CELLS = 32
"""Most cells along a side of a map on a page."""


class Picture(NamedTuple):
    """A reduced copy of a photograph.

    Attributes:
        content: of a WebP file.
        size: (width, height) of the photograph itself, upright.
    """

    content: bytes
    size: tuple[int, int]


class Cells(NamedTuple):
    """A quality map of few cells.

    Attributes:
        loss: how far each cell is below the best one, shape (h, w), 0 to 255 for the full tint.
        best: highest score of a cell, or None where it is not known.
        worst: the lowest.
    """

    loss: NDArray[np.uint8]
    best: float | None
    worst: float | None

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        height, width = self.loss.shape
        text = base64.b64encode(self.loss.tobytes()).decode("ascii")
        return {"width": width, "height": height, "best": self.best, "worst": self.worst, "loss": text}


def thumbnail(image: Image.Image, pixels: int = THUMBNAIL_PIXELS, quality: int = THUMBNAIL_QUALITY) -> Picture:
    """A copy of an RGB image, reduced to an area.

    Args:
        image: the photograph.
        pixels: of the copy; a smaller image keeps its size.
        quality: of the compression, 0 to 100.
    """
    factor = min(1.0, math.sqrt(pixels / (image.width * image.height)))
    size = max(1, round(factor * image.width)), max(1, round(factor * image.height))
    small = image if size == image.size else image.resize(size, Image.Resampling.BICUBIC, reducing_gap=2.0)
    stream = io.BytesIO()
    small.save(stream, "WEBP", quality=quality, method=2)  # half the time of the default method, a twentieth larger
    return Picture(stream.getvalue(), image.size)


def reread(path: str, read: Callable[[str], bytes] | None, pixels: int, quality: int, max_pixels: int) -> Picture:
    """A reduced copy of a photograph's file; of a JPEG no more is decoded than that needs.

    Args:
        path: names the photograph.
        read: gives the content of a path; by default paths are local files.
        pixels: of the copy.
        quality: of the compression, 0 to 100.
        max_pixels: larger images are refused before they are decoded.

    Raises:
        UnreadableImageError: it cannot be read or decoded.
    """
    try:
        with opened(Path(path) if read is None else read(path), name=path, max_pixels=max_pixels) as (undecoded, _):
            native = undecoded.size
            side = round(math.sqrt(pixels * max(native) / min(native)))
            undecoded.draft(None, (min(side, native[0]), min(side, native[1])))
            drafted = undecoded.size
            image = to_rgb(undecoded, name=path, exif_rotation=True, colour_profile=True, max_pixels=max_pixels).image
            copy = thumbnail(image, pixels, quality)
    except (OSError, MemoryError, ValueError) as cause:
        raise UnreadableImageError(f"cannot make a small picture of {path}: {cause}.") from cause
    return copy._replace(size=native if image.size == drafted else (native[1], native[0]))


def shrunk(content: bytes, most: int) -> bytes:
    """A thumbnail with ever fewer pixels, until it has at most `most` bytes or is tiny."""
    while len(content) > most:
        with Image.open(io.BytesIO(content), formats=["WEBP"]) as image:
            area = image.width * image.height
            if area < 500:
                break
            content = thumbnail(image.convert("RGB"), max(400, round(0.7 * area * most / len(content))), 40).content
    return content


def cells_of(quality_map: QualityMap) -> Cells:
    """A quality map with few cells."""
    loss = Image.fromarray(quality_map.loss.astype(np.float32))
    return Cells(_few(loss), float(quality_map.values.max()), float(quality_map.values.min()))


def cells_of_file(path: Path, max_pixels: int) -> Cells:
    """The cells of the map in a picture that `QualityMap.png` made: where grey pixels are tinted, and how much.

    Raises:
        UnreadableImageError: the picture cannot be read.
    """
    with opened(path, max_pixels=max_pixels) as (undecoded, _):
        ends = [float(end) for end in str(undecoded.info.get(ENDS, "")).split()]
        picture = to_rgb(undecoded, max_pixels=max_pixels).image
    pixels = np.asarray(picture.crop((0, 0, picture.width, max(1, picture.height - key_height(picture.width)))))
    # the photograph is grey here, so that red less blue is that of the tint times its opacity
    tint = pixels[..., 0].astype(np.float32) - pixels[..., 2]
    loss = Image.fromarray(np.clip(tint / (TINT[0] - TINT[2]) / STRONGEST, 0, 1))
    best, worst = ends if len(ends) == 2 and all(map(math.isfinite, ends)) else (None, None)
    return Cells(_few(loss), best, worst)


def _few(loss: Image.Image) -> NDArray[np.uint8]:
    factor = min(1.0, MOST_CELLS / max(loss.size))
    size = max(1, round(factor * loss.width)), max(1, round(factor * loss.height))
    return np.round(255 * np.asarray(loss.resize(size, Image.Resampling.BOX))).astype(np.uint8)
