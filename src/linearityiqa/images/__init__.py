"""From an image file to the network's input, in training and scoring alike: numpy and Pillow only."""

from linearityiqa.images.decoding import (
    DEFAULT_MAX_PIXELS,
    MAX_FILE_BYTES,
    DecodedImage,
    decode,
    image_size,
    opened,
    to_rgb,
)
from linearityiqa.images.transform import IMAGENET_MEAN, IMAGENET_STD, ImageTransform, normalise

__all__ = [
    "DEFAULT_MAX_PIXELS",
    "IMAGENET_MEAN",
    "IMAGENET_STD",
    "MAX_FILE_BYTES",
    "DecodedImage",
    "ImageTransform",
    "decode",
    "image_size",
    "normalise",
    "opened",
    "to_rgb",
]
