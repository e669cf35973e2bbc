"""Maps of where in a photograph quality is lost, and the small grey pictures that bursts are found by."""

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

from linearityiqa.images import opened, to_rgb
from linearityiqa.images.thumbnails import scaled
from linearityiqa.quality import QualityScale

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
        """Distance of each cell from the scale's best score, in 0..1, shape (h, w): 0 is clear, 1 the full tint."""
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
        """Return the image in grey, tinted where quality is lost, above a key of the tint."""
        height, width = self.native or (self.image.height, self.image.width)
        size = scaled((width, height), max(self.image.size) / max(height, width))  # the network may see it squeezed
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
        """Return `picture` as the content of a PNG file."""
        stream, ends = io.BytesIO(), PngInfo()
        ends.add_text(ENDS, f"{self.values.max():.6g} {self.values.min():.6g}")
        # half the time of the default level, a tenth larger
        self.picture().save(stream, "PNG", compress_level=3, pnginfo=ends)
        return stream.getvalue()

    def _repr_png_(self) -> bytes:
        return self.png()

    def _key(self, width: int) -> Image.Image:
        """Draw a bar from clear to full tint between the scores that these mean."""
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
    """Return the height in pixels of the key below a map's picture of a width."""
    return 2 * max(10, min(16, width // 24))


class Cells(NamedTuple):
    """A quality map of few cells; the highest and the lowest score of one are None where they are not known."""

    loss: NDArray[np.uint8]
    """`QualityMap.loss` of each cell, shape (h, w), 0 to 255 for the full tint."""
    best: float | None
    worst: float | None

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        height, width = self.loss.shape
        text = base64.b64encode(self.loss.tobytes()).decode("ascii")
        return {"width": width, "height": height, "best": self.best, "worst": self.worst, "loss": text}


def cells_of(quality_map: QualityMap) -> Cells:
    """Reduce a quality map to few cells."""
    loss = Image.fromarray(quality_map.loss.astype(np.float32))
    return Cells(_few(loss), float(quality_map.values.max()), float(quality_map.values.min()))


def cells_of_file(path: Path, max_pixels: int) -> Cells:
    """Read the cells of a map back from a picture that `QualityMap.png` made, by the tint of its grey pixels."""
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
    size = scaled(loss.size, min(1.0, MOST_CELLS / max(loss.size)))
    return np.round(255 * np.asarray(loss.resize(size, Image.Resampling.BOX))).astype(np.uint8)
