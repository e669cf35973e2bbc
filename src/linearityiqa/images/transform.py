"""The transform from a decoded image to the network's input: size, and normalisation."""

from dataclasses import dataclass
from functools import lru_cache
from math import isfinite, sqrt

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from linearityiqa.config import TransformConfig
from linearityiqa.config.data import ResizeMode
from linearityiqa.images.jpeg import Enough

SIDE_STEP = 32
"""Sides of an image whose aspect ratio is kept are multiples of it: few sizes, which share batches."""
MAX_ASPECT = 8
"""Longest side over the shortest beyond which an image is squeezed."""
LEAST_AREA = 1 / 4
"""Share of the area up to which `shrink` enlarges smaller images: networks see too little in a thumbnail."""

REDUCING_GAP = 2
"""Times the output size that a photograph still has after the cheap first steps of its reduction, at least."""

RGB = tuple[float, float, float]


@dataclass(frozen=True)
class Normalisation:
    """Input of a network as (value / 255 - mean) / std, with mean and deviation of red, green and blue in 0..1."""

    mean: RGB
    std: RGB

    def __post_init__(self) -> None:
        values = (*self.mean, *self.std)
        if len(values) != 6 or not all(map(isfinite, values)) or min(self.std) <= 0:
            raise ValueError(f"mean and std must be three finite numbers each, std > 0; got {self.mean}, {self.std}")


IMAGENET = Normalisation(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))


@dataclass(frozen=True)
class ImageTransform:
    """Resizing of every decoded image, in training and in scoring.

    Args:
        size: (height, width) that images are resized to, or None to keep theirs.
        common_size: (height, width) that a database's images are brought to first, or None.
        mode: ``stretch`` to exactly `size`; ``fit`` to its area, with the aspect ratio kept and sides rounded to
            multiples of `SIDE_STEP`; ``shrink`` as fit, but an image of less area keeps its size, unless it has less
            than `LEAST_AREA` of it.
        reduced: an image of more than `REDUCING_GAP` times the output size is first decoded at a reduced scale (JPEG,
            by `enough`), or reduced by whole factors.
    """

    size: tuple[int, int] | None = None
    common_size: tuple[int, int] | None = None
    mode: ResizeMode = "stretch"
    reduced: bool = False

    @classmethod
    def of(cls, config: TransformConfig, common_size: tuple[int, int] | None = None) -> "ImageTransform":
        """Return the transform that the options name."""
        # images of a common size are small, and resized twice
        reduced = config.effective().decode_reduced and common_size is None
        return cls(config.size, common_size, config.resize_mode, reduced)

    @property
    def fixed_size(self) -> tuple[int, int] | None:
        """(height, width) of every image after the transform, or None where its own size decides."""
        if self.size is None or self.mode == "stretch":
            return self.size or self.common_size
        return None if self.common_size is None else self.output_size(self.common_size)

    @property
    def enough(self) -> Enough | None:
        """Function that tells `decode` how much of a JPEG suffices; None where all of it is to be decoded."""
        return self._enough if self.reduced else None

    def _enough(self, native: tuple[int, int]) -> tuple[int, int]:
        height, width = self.output_size(native)
        return REDUCING_GAP * height, REDUCING_GAP * width

    def pixels(self, image: Image.Image, native: tuple[int, int] | None = None) -> Image.Image:
        """Resize an RGB image (bilinear, antialiased, by Pillow): first to `common_size`, then to its size.

        `native` is (height, width) of the whole image, where `image` was decoded at a reduced scale.
        """
        gap = REDUCING_GAP if self.reduced else None
        for size in (self.common_size, self.output_size(native or (image.height, image.width))):
            if size is not None and size != (image.height, image.width):
                image = image.resize((size[1], size[0]), Image.Resampling.BILINEAR, reducing_gap=gap)
        return image

    def output_size(self, native: tuple[int, int]) -> tuple[int, int]:
        """Return (height, width) after the transform, of an image that is `native` = (height, width) before it."""
        given = self.common_size or native
        if self.size is None or self.mode == "stretch":
            return self.size or given
        area = self.size[0] * self.size[1]
        if self.mode == "shrink" and area * LEAST_AREA <= given[0] * given[1] <= area:
            return given
        if self.mode == "shrink" and given[0] * given[1] < area:
            area = int(area * LEAST_AREA)
        return size_of_area(given, area)


def size_of_area(native: tuple[int, int], area: int) -> tuple[int, int]:
    """Return (height, width) of about an area, with the aspect ratio of `native` up to `MAX_ASPECT`.

    Both are multiples of `SIDE_STEP`.

    >>> size_of_area((768, 1024), 448 * 448), size_of_area((1024, 768), 448 * 448), size_of_area((1, 5000), 448 * 448)
    ((384, 512), (512, 384), (160, 1280))
    """
    ratio = min(max(native[0] / native[1], 1 / MAX_ASPECT), MAX_ASPECT)
    height, width = (max(1, round(side / SIDE_STEP)) * SIDE_STEP for side in (sqrt(area * ratio), sqrt(area / ratio)))
    return height, width


@lru_cache(maxsize=16)
def _normalised_levels(normalisation: Normalisation) -> NDArray[np.float32]:
    """Return the 256 levels normalised for each channel, shape (3, 256), rounded to float32 after every step."""
    levels = np.arange(256, dtype=np.float32) / np.float32(255)
    mean, std = np.array([normalisation.mean, normalisation.std], dtype=np.float32)[..., None]
    return np.asarray((levels - mean) / std, dtype=np.float32)


def normalise(
    image: Image.Image, out: NDArray[np.float32] | None = None, normalisation: Normalisation = IMAGENET
) -> NDArray[np.float32]:
    """Normalise an RGB image as a network's input: float32 of shape (3, height, width), contiguous, in `out` if given.

    The values are those of torchvision's ToTensor and Normalize, to the bit.
    """
    output = np.empty((3, image.height, image.width), dtype=np.float32) if out is None else out
    levels = _normalised_levels(normalisation)
    # A table of the 256 levels needs one pass. mode="clip" only spares take() a buffer: no index is out of range.
    for channel, band in enumerate(image.split()):
        np.take(levels[channel], np.asarray(band), out=output[channel], mode="clip")
    return output
