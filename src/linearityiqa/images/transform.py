"""The transform from a decoded image to the network's input."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

IMAGENET_MEAN = (0.485, 0.456, 0.406)
"""Mean of ImageNet's red, green and blue in 0..1."""
IMAGENET_STD = (0.229, 0.224, 0.225)
"""Standard deviation of ImageNet's red, green and blue in 0..1."""


@dataclass(frozen=True)
class ImageTransform:
    """What every decoded image undergoes, in training and in scoring alike.

    Args:
        size: (height, width) that images are resized to, or None to keep theirs.
        common_size: (height, width) that a database's images are brought to first, or None.
    """

    size: tuple[int, int] | None = None
    common_size: tuple[int, int] | None = None

    def pixels(self, image: Image.Image) -> Image.Image:
        """The RGB image resized (bilinear, antialiased, as Pillow does): first to `common_size`, then to `size`."""
        for size in (self.common_size, self.size):
            if size is not None and size != (image.height, image.width):
                image = image.resize((size[1], size[0]), Image.Resampling.BILINEAR)
        return image

    def __call__(self, image: Image.Image) -> NDArray[np.float32]:
        """The network's input, float32 of shape (3, height, width), of an RGB image."""
        return normalise(self.pixels(image))

    def output_size(self, native: tuple[int, int]) -> tuple[int, int]:
        """(height, width) after the transform, of an image that is `native` = (height, width) before it."""
        return self.size or self.common_size or native


def _normalised_levels() -> NDArray[np.float32]:
    """What each of the 256 levels becomes in each channel, shape (3, 256), rounded to float32 after every step."""
    levels = np.arange(256, dtype=np.float32) / np.float32(255)
    mean, std = np.array([IMAGENET_MEAN, IMAGENET_STD], dtype=np.float32)[..., None]
    return np.asarray((levels - mean) / std, dtype=np.float32)


_LEVELS = _normalised_levels()


def normalise(image: Image.Image, out: NDArray[np.float32] | None = None) -> NDArray[np.float32]:
    """An RGB image, divided by 255, less ImageNet's mean, over its standard deviation.

    Args:
        image: an RGB image.
        out: where the result is written, float32 of shape (3, height, width); by default a new array.

    Returns:
        float32, shape (3, height, width), contiguous; the values of torchvision's ToTensor and Normalize to the bit.
    """
    output = np.empty((3, image.height, image.width), dtype=np.float32) if out is None else out
    # A table of the 256 levels needs one pass. mode="clip" only spares take() a buffer: no index is out of range.
    for channel, band in enumerate(image.split()):
        np.take(_LEVELS[channel], np.asarray(band), out=output[channel], mode="clip")
    return output
