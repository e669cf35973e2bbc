"""Pictures in results: thumbnails of photographs, and maps of where in them quality is lost."""

import base64
import io
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from PIL.PngImagePlugin import PngInfo

from linearityiqa.errors import UnreadableImageError
from linearityiqa.images import decode, opened, to_rgb
from linearityiqa.quality import QualityScale
from linearityiqa.scoring.inputs import is_url, read_url

THUMBNAIL_PIXELS = 224 * 168
"""Pixels of a thumbnail: about 4 kB."""
THUMBNAIL_QUALITY = 50
"""Quality of its compression, 0 to 100."""
TINT = (213, 94, 0)
"""Vermilion, which people with any colour vision tell from grey."""
STRONGEST = 0.8
"""Opacity of the tint where quality is lowest."""
ENDS = "best and worst"
"""Key of the text in a PNG file that holds the map's highest and lowest value."""
MOST_CELLS = 32
"""Most cells along a side of a map on a page."""


class Look(NamedTuple):
    """What bursts are found by: the bytes of a `neardup.thumbnail`, and when it was taken, in seconds, if known."""

    picture: bytes
    taken: float | None


class Picture(NamedTuple):
    """A reduced copy of a photograph.

    Attributes:
        content: of a WebP file.
        size: (width, height) of the photograph itself, upright.
    """

    content: bytes
    size: tuple[int, int]


def thumbnail(image: Image.Image, pixels: int = THUMBNAIL_PIXELS, quality: int = THUMBNAIL_QUALITY) -> Picture:
    """Reduce an RGB image to an area.

    Args:
        image: the photograph.
        pixels: of the copy; a smaller image keeps its size.
        quality: of the compression, 0 to 100.
    """
    size = _scaled(image.size, min(1.0, math.sqrt(pixels / (image.width * image.height))))
    small = image if size == image.size else image.resize(size, Image.Resampling.BICUBIC, reducing_gap=2.0)
    stream = io.BytesIO()
    small.save(stream, "WEBP", quality=quality, method=2)  # half the time of the default method, a twentieth larger
    return Picture(stream.getvalue(), image.size)


def reread(path: str, pixels: int, quality: int, max_pixels: int) -> Picture:
    """Read a photograph as a reduced copy; of a JPEG no more is decoded than that needs.

    Args:
        path: a local path or an address.
        pixels: of the copy.
        quality: of the compression, 0 to 100.
        max_pixels: larger images are refused before they are decoded.

    Raises:
        UnreadableImageError: it cannot be read or decoded.
    """

    def enough(native: tuple[int, int]) -> tuple[int, int]:
        side = round(math.sqrt(pixels * max(native) / min(native)))
        return min(side, native[0]), min(side, native[1])

    try:
        source = read_url(path) if is_url(path) else Path(path)
        image, _, native = decode(
            source, name=path, exif_rotation=True, colour_profile=True, max_pixels=max_pixels, enough=enough
        )
        return thumbnail(image, pixels, quality)._replace(size=native[::-1])
    except (OSError, MemoryError, ValueError) as cause:
        raise UnreadableImageError(f"cannot make a small picture of {path}: {cause}.") from cause


def shrunk(content: bytes, most: int) -> bytes:
    """Reduce a thumbnail until it has at most `most` bytes or is tiny."""
    while len(content) > most:
        with Image.open(io.BytesIO(content), formats=["WEBP"]) as image:
            area = image.width * image.height
            if area < 500:
                break
            content = thumbnail(image.convert("RGB"), max(400, round(0.7 * area * most / len(content))), 40).content
    return content


@dataclass(frozen=True, eq=False)
class QualityMap:
    """Local quality: the score of each part of an image, as if the whole image were like that part.

    Attributes:
        values: local scores, float32 of shape (h, w), on the scale of the model; the cells cover the image evenly.
        image: the image that the network saw, RGB.
        scale: the scale of the scores, or None where it is unknown.
        native: (height, width) of the photograph, whose shape the picture has; by default that of `image`.
    """

    values: NDArray[np.float32]
    image: Image.Image
    scale: QualityScale | None = None
    native: tuple[int, int] | None = None

    @property
    def loss(self) -> NDArray[np.float64]:
        """Distance of each cell below the end of the scale, in 0..1, shape (h, w): 0 is clear, 1 the full tint."""
        clear, full = self.ends
        below = clear - self.values.astype(np.float64)
        return np.clip(below / (clear - full), 0, 1) if clear > full else np.zeros_like(below)

    @property
    def ends(self) -> tuple[float, float]:
        """Scores of clear and of full tint: the ends of the scale, or of the map's own values where that is unknown.

        Equal tints are equal scores in all photographs, so that a good one stays nearly clear.
        """
        if self.scale is not None:
            return self.scale.high, self.scale.low
        return float(self.values.max()), float(self.values.min())

    def picture(self) -> Image.Image:
        """The image in grey, tinted where quality is lost, over a line that says what clear and full tint stand for."""
        height, width = self.native or (self.image.height, self.image.width)
        size = _scaled((width, height), max(self.image.size) / max(height, width))  # the network may see it squeezed
        grey = self.image.convert("L").convert("RGB").resize(size, Image.Resampling.BICUBIC)
        # bilinear: cells are blended without ringing
        opacity = Image.fromarray(np.round(255 * STRONGEST * self.loss).astype(np.uint8)).resize(
            size, Image.Resampling.BILINEAR
        )
        tinted = Image.composite(Image.new("RGB", grey.size, TINT), grey, opacity)
        key = self._key(tinted.width)
        page = Image.new("RGB", (tinted.width, tinted.height + key.height), "white")
        page.paste(tinted, (0, 0))
        page.paste(key, (0, tinted.height))
        return page

    def png(self) -> bytes:
        """`picture` as the content of a PNG file."""
        stream, ends = io.BytesIO(), PngInfo()
        ends.add_text(ENDS, f"{self.values.max():.6g} {self.values.min():.6g}")
        # half the time of the default level, a tenth larger
        self.picture().save(stream, "PNG", compress_level=3, pnginfo=ends)
        return stream.getvalue()

    def _repr_png_(self) -> bytes:
        return self.png()

    def _key(self, width: int) -> Image.Image:
        """A bar from clear to full tint between the scores that these stand for."""
        size = key_height(width) // 2
        font = ImageFont.load_default(size)
        key = Image.new("RGB", (width, 2 * size), "white")
        draw = ImageDraw.Draw(key)
        left, right = (f"{end:.3g}" for end in self.ends)
        start = round(draw.textlength(left, font)) + size
        end = width - round(draw.textlength(right, font)) - size
        for text, x in ((left, size // 2), (right, end + size // 2)):
            draw.text((x, size), text, fill="black", font=font, anchor="lm")
        if end > start:
            share = np.linspace(0, STRONGEST, end - start)[None, :, None]
            bar = np.round(128 * (1 - share) + np.array(TINT) * share).astype(np.uint8)
            key.paste(Image.fromarray(np.repeat(bar, size, axis=0)), (start, size // 2))
        return key


def key_height(width: int) -> int:
    """Height of the line below a map's picture of a width, in pixels."""
    return 2 * max(10, min(16, width // 24))


class Cells(NamedTuple):
    """A quality map of few cells.

    Attributes:
        loss: `QualityMap.loss` of each cell, shape (h, w), 0 to 255 for the full tint.
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


def cells_of(quality_map: QualityMap) -> Cells:
    """Reduce a quality map to few cells."""
    loss = Image.fromarray(quality_map.loss.astype(np.float32))
    return Cells(_few(loss), float(quality_map.values.max()), float(quality_map.values.min()))


def cells_of_file(path: Path, max_pixels: int) -> Cells:
    """Read the cells of a map back from a picture that `QualityMap.png` made, by the tint of its grey pixels.

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
    size = _scaled(loss.size, min(1.0, MOST_CELLS / max(loss.size)))
    return np.round(255 * np.asarray(loss.resize(size, Image.Resampling.BOX))).astype(np.uint8)


def _scaled(size: tuple[int, int], factor: float) -> tuple[int, int]:
    width, height = size
    return max(1, round(factor * width)), max(1, round(factor * height))
