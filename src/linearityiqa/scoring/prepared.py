"""An image on its way to the network: decoded, upright, in RGB, of the size that the network sees."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from linearityiqa.errors import DataError, UnreadableImageError
from linearityiqa.images import DecodedImage, ImageTransform, Normalisation, decode, normalise, to_rgb
from linearityiqa.scoring.pictures import Picture, thumbnail

ImageLike = Path | str | bytes | Image.Image | NDArray[np.uint8]
"""An image file by its path, an encoded image, a Pillow image, or RGB values of shape (H, W, 3)."""


@dataclass(frozen=True, eq=False)
class Prepared:
    """An image that is ready to be scored.

    Attributes:
        name: how results call the image.
        image: RGB, after the transform. As 8-bit pixels it takes a third of the memory of the network's input.
        notes: what was done to decode it, e.g. ``"EXIF orientation applied"``.
        native: (height, width) before the transform.
        thumbnail: a small picture of the image before the transform, where it was asked for.
    """

    name: str
    image: Image.Image
    notes: tuple[str, ...] = ()
    native: tuple[int, int] | None = None
    thumbnail: Picture | None = None

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) that the network sees."""
        return self.image.height, self.image.width


def prepare(
    source: ImageLike,
    transform: ImageTransform,
    *,
    name: str | None = None,
    max_pixels: int,
    with_thumbnail: bool = False,
) -> Prepared:
    """Decode and resize one image.

    Args:
        source: a path, an encoded image, a Pillow image, or uint8 RGB values of shape (H, W, 3).
        transform: what is done to the decoded image.
        name: how messages and results call the image; by default its path.
        max_pixels: larger images are refused before they are decoded.
        with_thumbnail: make a small picture of it too.

    Raises:
        UnreadableImageError: the image cannot be decoded, must not be, or needs too much memory.
    """
    path = os.fspath(source) if isinstance(source, str | os.PathLike) else None
    name = name or path or "the image"
    try:
        if isinstance(source, np.ndarray):
            source = _from_array(source)
        decoded: DecodedImage
        if isinstance(source, Image.Image):
            decoded = to_rgb(source, name=name, exif_rotation=True, colour_profile=True, max_pixels=max_pixels)
        else:
            content = source if isinstance(source, bytes) else Path(source)
            decoded = decode(content, name=name, exif_rotation=True, colour_profile=True, max_pixels=max_pixels)
        native = decoded.image.height, decoded.image.width
        small = thumbnail(decoded.image) if with_thumbnail else None
        return Prepared(name, transform.pixels(decoded.image), decoded.notes, native, small)
    except MemoryError as cause:
        raise UnreadableImageError(
            f"there is too little memory for {name}. Score fewer images at once (--batch_size 1), or with --resize."
        ) from cause


def stack(images: Sequence[Prepared], normalisation: Normalisation) -> NDArray[np.float32]:
    """The network's input, shape (N, 3, H, W), of images of one size.

    Args:
        images: at least one.
        normalisation: mean and deviation that the network wants.

    Raises:
        DataError: there is too little memory for so many images of this size.
    """
    height, width = images[0].size
    try:
        batch = np.empty((len(images), 3, height, width), dtype=np.float32)
    except MemoryError as cause:
        raise DataError(
            f"there is too little memory for {len(images)} image(s) of {height} x {width}. Score them with --resize."
        ) from cause
    for image, place in zip(images, batch, strict=True):
        normalise(image.image, place, normalisation)
    return batch


def _from_array(values: NDArray[np.uint8]) -> Image.Image:
    if values.dtype != np.uint8 or values.ndim != 3 or values.shape[2] != 3 or values.size == 0:
        raise UnreadableImageError(
            f"an array must hold uint8 RGB values of shape (H, W, 3), "
            f"got {values.dtype} of shape {values.shape}. Convert it first."
        )
    return Image.fromarray(values)
