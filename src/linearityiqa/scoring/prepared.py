"""Prepare one image for the network: decoded, upright, in RGB, of the size that the network sees."""

import contextlib
import math
import os
import sys
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, Union, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from linearityiqa.data.checks import neardup
from linearityiqa.errors import DataError, UnreadableImageError
from linearityiqa.images import MAX_FILE_BYTES, ImageTransform, Normalisation, normalise, opened, to_rgb
from linearityiqa.images.conversion import time_taken
from linearityiqa.images.thumbnails import Thumbnail, thumbnail
from linearityiqa.images.transform import LEAST_AREA
from linearityiqa.scoring.pictures import Look

if TYPE_CHECKING:
    from torch import Tensor
    from typing_extensions import TypeIs

CHANNELS = (1, 3, 4)
"""Grey, RGB, and RGB with opacity."""
ROUNDING = 1e-3
"""Tolerance of floating point beyond 0..1, which is clipped."""


class BinaryFile(Protocol):
    """An open file, or anything else that gives bytes."""

    def read(self, size: int, /) -> bytes:
        """Read at most `size` bytes."""
        ...


ImageLike: TypeAlias = Union[
    str, os.PathLike[str], bytes, bytearray, memoryview, BinaryFile, Image.Image, NDArray[Any], "Tensor"
]
"""One image: a file by its path, the content of one, an open binary file, a Pillow image, an array of shape (H, W) or
(H, W, C), or a tensor of torch of shape (H, W) or (C, H, W). Arrays and tensors hold uint8, or floating point in 0..1,
in 1, 3 or 4 channels: grey, RGB, or RGB with opacity."""
_LOCKS = [threading.Lock() for _ in range(64)]
"""A Pillow image decodes itself when it is first used, and two threads that do so at once get garbage."""


@dataclass(frozen=True, eq=False)
class PreprocessedImage:
    """An image that is ready to be scored.

    Attributes:
        name: how results call the image.
        image: RGB, after the transform. As 8-bit pixels it takes a third of the memory of the network's input.
        notes: what was done to decode it, e.g. ``"EXIF orientation applied"``.
        native: (height, width) before the transform.
        thumbnail: a small picture of the image before the transform, where it was asked for.
        look: what bursts are found by, where it was asked for.
    """

    name: str
    image: Image.Image
    notes: tuple[str, ...] = ()
    native: tuple[int, int] | None = None
    thumbnail: Thumbnail | None = None
    look: Look | None = None

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
    with_look: bool = False,
) -> PreprocessedImage:
    """Decode and resize one image, for `Scorer.prepare`."""
    name = name or name_of(source) or "the image"
    try:
        content = _content(source, name)
        options: dict[str, Any] = {"name": name, "max_pixels": max_pixels, "enough": transform.enough}
        chosen: tuple[str, ...] = ()
        with contextlib.ExitStack() as stack:
            if isinstance(content, Image.Image):
                stack.enter_context(_LOCKS[id(content) // 16 % len(_LOCKS)])  # the same image may be in several threads
                undecoded = content
            else:
                undecoded, chosen = stack.enter_context(opened(content, **options))
            image, notes, native = to_rgb(undecoded, exif_rotation=True, colour_profile=True, **options)
            notes = (*chosen, *notes)
            taken = time_taken(undecoded) if with_look else None
        if transform.size is not None and math.prod(native) < LEAST_AREA * math.prod(transform.size):
            notes += (f"only {native[1]} x {native[0]} pixels, less than the network needs",)
        small = thumbnail(image)._replace(size=native[::-1]) if with_thumbnail else None
        pixels = transform.pixels(image, native)
        look = Look(neardup.thumbnail(pixels).tobytes(), taken) if with_look else None  # of few pixels, in no time
        return PreprocessedImage(name, pixels, notes, native, small, look)
    except MemoryError as cause:
        raise UnreadableImageError(
            f"there is too little memory for {name}. Score fewer images at once (--batch_size 1), or with --resize."
        ) from cause


def stack(images: Sequence[PreprocessedImage], normalisation: Normalisation) -> NDArray[np.float32]:
    """Return the network's input, shape (N, 3, H, W), of at least one image, all of one size.

    Raises:
        DataError: there is too little memory for this many images of this size.
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


def name_of(source: ImageLike) -> str | None:
    """Return the path of an image, as given, or as an open file or a Pillow image knows it; None for any other."""
    if isinstance(source, str | os.PathLike):
        return os.fspath(source)
    known = getattr(source, "filename" if isinstance(source, Image.Image) else "name", None)
    return known if known and isinstance(known, str) else None


def each_image(images: Iterable[ImageLike] | ImageLike) -> Iterable[ImageLike]:
    """Return the images; a single one becomes a list of one."""
    if isinstance(images, np.ndarray) or is_tensor(images):
        single = images.ndim in (2, 3)  # an array of one dimension is a list of paths
    else:
        known = isinstance(images, str | os.PathLike | bytes | bytearray | memoryview | Image.Image)
        single = known or hasattr(images, "read")
    return [cast(ImageLike, images)] if single else cast(Iterable[ImageLike], images)


def is_tensor(value: object) -> "TypeIs[Tensor]":
    """Return whether a value is a tensor of torch, which need not be installed."""
    torch = sys.modules.get("torch")  # where it was never imported there are none
    return torch is not None and isinstance(value, torch.Tensor)


def _content(source: ImageLike, name: str) -> Path | bytes | Image.Image:
    """Reduce the kinds of images to a file, the content of one, or a Pillow image."""
    if isinstance(source, str | os.PathLike):
        return Path(source)
    if isinstance(source, bytes | Image.Image):
        return source
    if isinstance(source, bytearray | memoryview):
        return bytes(source)
    if isinstance(source, np.ndarray) or is_tensor(source):
        return _image_of(source, name)
    if hasattr(source, "read"):
        return _read(source, name)
    raise UnreadableImageError(
        f"{name} is of the type {type(source).__name__}, not an image: give a path, bytes, an open binary file, a "
        "Pillow image, a NumPy array or a torch tensor."
    )


def _read(stream: BinaryFile, name: str) -> bytes:
    try:
        content = stream.read(MAX_FILE_BYTES + 1)
    except (OSError, ValueError) as cause:  # a closed file is a ValueError
        raise UnreadableImageError(f"cannot read {name}: {cause}. Open it again.") from cause
    if not isinstance(content, bytes):
        raise UnreadableImageError(f"{name} was opened as text. Open it with the mode 'rb'.")
    if len(content) > MAX_FILE_BYTES:
        raise UnreadableImageError(f"{name} has more than the {MAX_FILE_BYTES} bytes allowed. Save it compressed.")
    return content


def _image_of(source: "NDArray[Any] | Tensor", name: str) -> Image.Image:
    """Convert an array (H, W) or (H, W, C), or a tensor (H, W) or (C, H, W), to an image of 8 bits."""
    values: NDArray[Any]
    if is_tensor(source):
        kind, layout, channels, wrong = "tensor", "(H, W) or (C, H, W)", 0, 2
        order = "is a tensor of shape {}, and channels come first in one: use tensor.permute(2, 0, 1)."
        plain = source.detach().cpu()
        values = (plain.float() if plain.is_floating_point() else plain).numpy()  # numpy lacks bfloat16
    else:
        kind, layout, channels, wrong = "array", "(H, W) or (H, W, C)", 2, 0
        order = "is an array of shape {}, and channels come last in one: use array.transpose(1, 2, 0)."
        values = source
    shape = values.shape
    if len(shape) == 3 and shape[channels] not in CHANNELS and shape[wrong] in CHANNELS:
        raise UnreadableImageError(f"{name} {order.format(shape)}")
    if len(shape) not in (2, 3) or values.size == 0 or (len(shape) == 3 and shape[channels] not in CHANNELS):
        raise UnreadableImageError(
            f"{name} is of the wrong shape: the {kind} of an image has the shape {layout}, of 1, 3 or 4 channels; got "
            f"{shape}."
        )
    if np.issubdtype(values.dtype, np.floating):
        low, high = float(values.min()), float(values.max())
        if not (low >= -ROUNDING and high <= 1 + ROUNDING):  # also where one is not a number
            raise UnreadableImageError(
                f"{name} lies in {low:.4g}..{high:.4g}: floating point must lie in 0..1. Divide by 255, or clip it."
            )
        values = np.round(255 * np.clip(values, 0, 1, dtype=np.float32)).astype(np.uint8)
    elif values.dtype != np.uint8:
        raise UnreadableImageError(
            f"{name} holds {values.dtype}: the {kind} of an image holds uint8, or floating point in 0..1. Convert it."
        )
    if len(shape) == 3:
        values = np.moveaxis(values, channels, -1)
    return Image.fromarray(values[..., 0] if values.ndim == 3 and values.shape[2] == 1 else values)
