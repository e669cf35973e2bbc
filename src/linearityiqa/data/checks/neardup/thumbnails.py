"""Pictures as they are compared: small, grey, square."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIDE = 64
"""Width and height of a thumbnail, whatever the shape of the image."""


def thumbnail(image: Image.Image) -> NDArray[np.uint8]:
    """A loaded image as uint8 of shape (64, 64): every pixel counts once."""
    grey = image.convert("L").resize((SIDE, SIDE), Image.Resampling.BOX)
    return np.asarray(grey, dtype=np.uint8)
