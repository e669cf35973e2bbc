"""Pictures as they are compared (small, grey, square), and a short vector of each.

Scalar products of the vectors find the pairs that are worth a closer look.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from linearityiqa.extras import require

SIDE = 64
"""Width and height of a thumbnail, whatever the shape of the image."""


def thumbnail(image: Image.Image) -> NDArray[np.uint8]:
    """A loaded image as uint8 of shape (64, 64): every pixel counts once."""
    grey = image.convert("L").resize((SIDE, SIDE), Image.Resampling.BOX)
    return np.asarray(grey, dtype=np.uint8)


FREQUENCIES = 8
"""Frequencies kept in each direction, the constant one included."""
LENGTH = FREQUENCIES**2 - 1
"""Length of a signature."""
FLAT = 1.0
"""A picture whose detail has a smaller standard deviation, in grey levels, has nothing to be recognised by."""

_REDUCED = 32


def signatures(thumbnails: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The low frequencies of each picture, of unit length, float32 (N, 63); zeros for a flat picture.

    The discrete cosine transform of the thumbnail, 8 x 8 frequencies without the constant, each times its frequency:
    the amplitudes of photographs fall with frequency, so that without this two or three would decide. Signatures do not
    change with brightness and contrast, and little with compression, noise or the size of the image.

    Args:
        thumbnails: uint8, shape (N, 64, 64).
    """
    dctn = require("scipy.fft", "metrics").dctn
    count = len(thumbnails)
    factor = SIDE // _REDUCED
    reduced = thumbnails.reshape(count, _REDUCED, factor, _REDUCED, factor).mean(axis=(2, 4), dtype=np.float32)
    detail: Any = dctn(reduced, axes=(1, 2), norm="ortho")[:, :FREQUENCIES, :FREQUENCIES]
    steps = np.arange(FREQUENCIES, dtype=np.float32)
    vectors = (detail * np.hypot(steps[:, None], steps)).reshape(count, -1)[:, 1:].astype(np.float32)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    flat = reduced.std(axis=(1, 2), keepdims=True)[:, :, 0] < FLAT
    return np.asarray(np.where(flat, 0, vectors / np.maximum(lengths, 1e-6)), dtype=np.float32)


def mirrored(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """The signatures of the mirror images: odd horizontal frequencies change their sign."""
    signs = np.where(np.arange(FREQUENCIES) % 2, -1, 1)
    return vectors * np.tile(signs, FREQUENCIES)[1:].astype(np.float32)
