"""Between displayed (sRGB) values and light: sensors, shadows and averages live in light."""

import numpy as np
from numpy.typing import NDArray

FloatImage = NDArray[np.float32]
"""Values in [0, 1], shape (height, width, 3)."""

ByteImage = NDArray[np.uint8]
"""An sRGB image as it is stored, shape (height, width, 3)."""


def to_light(image: ByteImage) -> FloatImage:
    """Relative light of an sRGB image (IEC 61966-2-1), in [0, 1]."""
    return _LIGHT_OF_BYTE[image]


def to_display(light: FloatImage) -> ByteImage:
    """The sRGB image of relative light; what exceeds [0, 1] is clipped, as a sensor clips it."""
    clipped = np.clip(light, 0.0, 1.0)
    encoded = np.where(clipped <= 0.0031308, 12.92 * clipped, 1.055 * clipped ** np.float32(1 / 2.4) - 0.055)
    return to_bytes(encoded)


def to_bytes(values: FloatImage) -> ByteImage:
    """Values in [0, 1], rounded to 8 bits; others are clipped."""
    return np.asarray(np.rint(np.clip(values, 0.0, 1.0) * 255.0), dtype=np.uint8)


def _light_of_byte() -> FloatImage:
    value = np.arange(256) / 255.0
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4).astype(np.float32)


_LIGHT_OF_BYTE = _light_of_byte()
