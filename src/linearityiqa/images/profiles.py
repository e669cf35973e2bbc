"""Embedded ICC profiles: what the colours of an image are in sRGB, which screens and networks take them for."""

import io
from functools import lru_cache

import numpy as np
from PIL import Image, ImageCms

MAX_PROFILE_BYTES = 1 << 20
"""Longer profiles, which cameras and phones do not write, are ignored."""
APPLIED = "colour profile applied"
_STEPS = np.linspace(0, 255, 9).astype(np.uint8)


def in_srgb(image: Image.Image) -> tuple[Image.Image, list[str]]:
    """A loaded image with its colours in sRGB, and notes: on a profile that was applied, or that does not fit.

    Only profiles of RGB are applied, to RGB and palette images with or without transparency; relative colorimetric.
    """
    profile = image.info.get("icc_profile")
    if not profile or image.mode not in ("RGB", "RGBA", "P"):
        return image, []
    if not isinstance(profile, bytes) or len(profile) > MAX_PROFILE_BYTES or profile[16:20] != b"RGB ":
        return image, ["colour profile that does not fit ignored"]
    try:
        transform = _to_srgb(profile)
        if transform is None:
            return image, []
        colours = transform.apply(image.convert("RGB"))
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return image, ["damaged colour profile ignored"]
    if image.has_transparency_data:  # also a colour or an index that stands for transparent
        colours.putalpha(image.convert("RGBA").getchannel("A"))
    return colours, [APPLIED]


@lru_cache(maxsize=16)
def _to_srgb(profile: bytes) -> ImageCms.ImageCmsTransform | None:
    """What brings colours from a profile to sRGB; None where that moves none by more than one level of 255."""
    transform = ImageCms.ImageCmsTransform(
        ImageCms.ImageCmsProfile(io.BytesIO(profile)),
        ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")),
        "RGB",
        "RGB",
        ImageCms.Intent.RELATIVE_COLORIMETRIC,
    )
    grid = np.stack(np.meshgrid(_STEPS, _STEPS, _STEPS, indexing="ij"), axis=-1).reshape(1, -1, 3)
    moved = np.asarray(transform.apply(Image.fromarray(grid)), dtype=int) - grid
    return None if np.abs(moved).max() <= 1 else transform
