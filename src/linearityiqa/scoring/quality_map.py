"""Where in an image quality is lost, and the picture that shows it."""

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from PIL.PngImagePlugin import PngInfo

from linearityiqa.quality import QualityScale

TINT = (213, 94, 0)
"""Vermilion, which people with any colour vision tell from grey."""
STRONGEST = 0.8
"""Opacity of the tint where quality is lowest."""
ENDS = "best and worst"
"""Key of the text in a PNG file that holds the map's highest and lowest value."""
SMALLEST_SPAN = 0.2
"""Differences of less than this share of the scale never get the full tint: a good photograph stays nearly clear."""


@dataclass(frozen=True, eq=False)
class QualityMap:
    """The quality of each part of an image, as if the whole image were like that part.

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
        """How far each cell is below the best one, in 0..1, shape (h, w): 1 is the full tint.

        1 stands for the lowest cell, or for a fifth of the scale below the best where no cell is that low.
        """
        below = float(self.values.max()) - self.values.astype(np.float64)
        return below / self._span if self._span > 0 else np.zeros_like(below)

    def picture(self) -> Image.Image:
        """The image in grey, tinted where quality is lost, over a line that says what clear and full tint stand for."""
        height, width = self.native or (self.image.height, self.image.width)
        share = max(self.image.size) / max(height, width)  # the network may have seen it squeezed
        size = max(1, round(width * share)), max(1, round(height * share))
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

    @property
    def _span(self) -> float:
        """Difference in score between clear and full tint."""
        smallest = SMALLEST_SPAN * (self.scale.high - self.scale.low) if self.scale else 0.0
        return max(float(self.values.max() - self.values.min()), smallest)

    def _key(self, width: int) -> Image.Image:
        """A bar from clear to full tint between the scores that these stand for."""
        best, span = float(self.values.max()), self._span
        size = key_height(width) // 2
        font = ImageFont.load_default(size)
        key = Image.new("RGB", (width, 2 * size), "white")
        draw = ImageDraw.Draw(key)
        left, right = f"{best:.3g}", f"{best - span:.3g}"
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
