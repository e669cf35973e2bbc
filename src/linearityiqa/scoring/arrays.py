"""Images that a program holds as numbers, as Pillow images."""

import sys
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from linearityiqa.errors import UnreadableImageError

if TYPE_CHECKING:
    from torch import Tensor
    from typing_extensions import TypeIs

CHANNELS = (1, 3, 4)
"""Grey, RGB, and RGB with opacity."""
ROUNDING = 1e-3
"""How far floating point may lie beyond 0..1; it is clipped."""


def is_tensor(value: object) -> "TypeIs[Tensor]":
    """Whether a value is a tensor of torch, which need not be installed."""
    torch = sys.modules.get("torch")  # where it was never imported there are none
    return torch is not None and isinstance(value, torch.Tensor)


def image_of_tensor(tensor: "Tensor", name: str) -> Image.Image:
    """A tensor of shape (H, W) or (C, H, W) as an image; else as `image_of_array`.

    Raises:
        UnreadableImageError: another shape, type or range.
    """
    plain = tensor.detach().cpu()
    values: NDArray[Any] = (plain.float() if plain.is_floating_point() else plain).numpy()  # numpy lacks bfloat16
    if values.ndim == 3 and values.shape[0] not in CHANNELS and values.shape[2] in CHANNELS:
        raise UnreadableImageError(
            f"{name} is a tensor of shape {values.shape}, and channels come first in one: use tensor.permute(2, 0, 1)."
        )
    return _image(np.moveaxis(values, 0, -1) if values.ndim == 3 else values, name, "tensor", "(H, W) or (C, H, W)")


def image_of_array(values: NDArray[Any], name: str) -> Image.Image:
    """An array of shape (H, W) or (H, W, C), uint8 or floating point in 0..1, as an image of 8 bits.

    Args:
        values: grey, RGB, or RGB with opacity.
        name: how messages call it.

    Raises:
        UnreadableImageError: another shape, type or range.
    """
    if values.ndim == 3 and values.shape[0] in CHANNELS and values.shape[2] not in CHANNELS:
        raise UnreadableImageError(
            f"{name} is an array of shape {values.shape}, and channels come last in one: use array.transpose(1, 2, 0)."
        )
    return _image(values, name, "array", "(H, W) or (H, W, C)")


def _image(values: NDArray[Any], name: str, kind: str, shape: str) -> Image.Image:
    """An image of values whose channels come last."""
    if values.ndim not in (2, 3) or values.size == 0 or (values.ndim == 3 and values.shape[2] not in CHANNELS):
        raise UnreadableImageError(
            f"{name} is of the wrong shape: the {kind} of an image has the shape {shape}, of 1, 3 or 4 channels; got "
            f"{values.shape if values.ndim != 3 or kind == 'array' else (values.shape[2], *values.shape[:2])}."
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
    return Image.fromarray(values[..., 0] if values.ndim == 3 and values.shape[2] == 1 else values)
