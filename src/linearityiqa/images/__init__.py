"""From an image file to the network's input, in training and in scoring: numpy and Pillow only."""

from linearityiqa.images.decoding import DecodedImage, decode, image_size, to_rgb
from linearityiqa.images.opening import DEFAULT_MAX_PIXELS, MAX_FILE_BYTES, opened
from linearityiqa.images.transform import IMAGENET, ImageTransform, Normalisation, normalise

__all__ = [
    "DEFAULT_MAX_PIXELS",
    "IMAGENET",
    "MAX_FILE_BYTES",
    "DecodedImage",
    "ImageTransform",
    "Normalisation",
    "decode",
    "image_size",
    "normalise",
    "opened",
    "to_rgb",
]
