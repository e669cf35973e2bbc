"""From a loaded Pillow image to 8-bit RGB in sRGB, with notes on what that lost."""

import io
from datetime import UTC, datetime
from functools import lru_cache

import numpy as np
from PIL import ExifTags, Image, ImageCms

from linearityiqa.errors import UnreadableImageError
from linearityiqa.images.colour_codes import to_srgb

MAX_PROFILE_BYTES = 1 << 20
"""Longer profiles, which cameras and phones do not write, are ignored."""
APPLIED = "colour profile applied"

_STEPS = np.linspace(0, 255, 9).astype(np.uint8)
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""The transposition that undoes each EXIF orientation but 1."""


def in_rgb(image: Image.Image, name: str) -> tuple[Image.Image, list[str]]:
    """A loaded image in 8-bit RGB, and notes on what that lost.

    Raises:
        UnreadableImageError: its samples have no defined white.
    """
    plain = image
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format in ("PNG", "PPM")):
        plain = _reduced_to_8_bits(image)
    elif image.mode in ("I", "F", "LAB"):
        kind = {"I": "32-bit integer", "F": "floating-point", "LAB": "Lab"}[image.mode]
        raise UnreadableImageError(f"{name} has {kind} samples, which are not supported. Convert it to 8-bit RGB.")
    if plain.has_transparency_data:
        coloured = plain.convert("RGBA")
        opacity = coloured.getchannel("A")
        if opacity.getextrema() != (255, 255):
            canvas = Image.new("RGB", coloured.size, "white")
            canvas.paste(coloured, mask=opacity)
            return canvas, ["alpha composited on white"]
        plain = coloured
    notes = ["CMYK converted to RGB"] if plain.mode == "CMYK" else []
    return plain if plain.mode == "RGB" else plain.convert("RGB"), notes


def in_srgb(image: Image.Image) -> tuple[Image.Image, list[str]]:
    """A loaded image with its colours in sRGB, and notes: on what was applied, or does not fit.

    Without an ICC profile, the H.273 codes of the file count, as far as they are known. Only profiles of RGB are
    applied, to RGB and palette images with or without transparency; relative colorimetric.
    """
    profile = image.info.get("icc_profile")
    codes = image.info.get("colour_codes")
    if codes and not profile and image.mode in ("RGB", "RGBA"):
        lut, note = to_srgb(codes)
        return image if lut is None else image.filter(lut), [note] if note else []
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


def orientation_of(image: Image.Image) -> tuple[Image.Transpose | None, list[str]]:
    """The transposition that turns an image upright by its EXIF orientation, and notes on it."""
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # damaged EXIF makes Pillow raise anything; the pixels are sound all the same
        return None, ["damaged EXIF ignored"]
    turn = _UPRIGHT.get(orientation)
    return turn, [] if turn is None else ["EXIF orientation applied"]


def time_taken(image: Image.Image) -> float | None:
    """Seconds since 1970 at which a photograph was taken by the camera's clock, from its EXIF; None where unknown."""
    try:
        text = image.getexif().get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal]
        return datetime.strptime(text[:19], "%Y:%m:%d %H:%M:%S").replace(tzinfo=UTC).timestamp()
    except Exception:  # as above; a camera without a clock writes zeros
        return None


def _reduced_to_8_bits(image: Image.Image) -> Image.Image:
    """Grey of more than 8 bits, scaled so that white becomes 255 (Pillow's conversion clips instead)."""
    tags = getattr(image, "tag_v2", {})
    white = 2 ** int(tags.get(ExifTags.Base.BitsPerSample, (16,))[0]) - 1
    levels = np.round(np.minimum(np.arange(65536) / white, 1) * 255).astype(np.uint8)
    if tags.get(ExifTags.Base.PhotometricInterpretation) == 0:  # black is white in this TIFF, as in a negative
        levels = 255 - levels
    return Image.fromarray(levels[np.clip(np.asarray(image), 0, 65535)])


@lru_cache(maxsize=16)
def _to_srgb(profile: bytes) -> ImageCms.ImageCmsTransform | None:
    """The transform from a profile's colours to sRGB; None where that moves none by more than one level of 255."""
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
