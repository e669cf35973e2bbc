"""From a loaded Pillow image to 8-bit RGB in sRGB, with notes on what that lost.

Colours are those of the embedded ICC profile, or of the ITU-T H.273 codes of HDR and wide gamut in AVIF, HEIC and PNG.
"""

import io
from datetime import UTC, datetime
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageCms, ImageFilter

from linearityiqa.errors import UnreadableImageError

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

_GRID = 65
_WHITE = 203
"""Luminance of diffuse white in cd/m2 (ITU-R BT.2408); brighter highlights are clipped, as sRGB has none."""
_SRGB_LIKE = (1, 2, 5, 6, 7)
"""Primaries of BT.709, unspecified ones, and those of older television, which differ little."""
_TO_BT709 = {
    9: (
        "BT.2020",
        [[1.660491, -0.587641, -0.072850], [-0.124550, 1.132900, -0.008349], [-0.018151, -0.100579, 1.118730]],
    ),
    12: ("Display P3", [[1.224940, -0.224940, 0], [-0.042057, 1.042057, 0], [-0.019638, -0.078636, 1.098274]]),
}
"""Of other primaries the name, and the matrix of linear colours."""
_CURVES = {1: "", 2: "", 6: "", 13: "", 14: "", 15: "", 16: " PQ", 18: " HLG"}
"""Transfer functions: near that of sRGB, and those of HDR."""


def in_rgb(image: Image.Image, name: str) -> tuple[Image.Image, list[str]]:
    """Convert a loaded image to 8-bit RGB, with notes on losses; UnreadableImageError for samples without a white."""
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
    """Convert the colours of a loaded image to sRGB, with notes on what was applied, or does not fit.

    Without an ICC profile, the H.273 codes of the file count, as far as they are known. Only profiles of RGB are
    applied, to RGB and palette images with or without transparency; relative colorimetric.
    """
    profile = image.info.get("icc_profile")
    codes = image.info.get("colour_codes")
    if codes and not profile and image.mode in ("RGB", "RGBA"):
        lut, note = _srgb_of_codes(codes)
        return image if lut is None else image.filter(lut), [note] if note else []
    if not profile or image.mode not in ("RGB", "RGBA", "P"):
        return image, []
    if not isinstance(profile, bytes) or len(profile) > MAX_PROFILE_BYTES or profile[16:20] != b"RGB ":
        return image, ["colour profile that does not fit ignored"]
    try:
        transform = _srgb_of_profile(profile)
        if transform is None:
            return image, []
        colours = transform.apply(image.convert("RGB"))
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return image, ["damaged colour profile ignored"]
    if image.has_transparency_data:  # also a colour or an index that stands for transparent
        colours.putalpha(image.convert("RGBA").getchannel("A"))
    return colours, [APPLIED]


def colour_codes(content: bytes, image_format: str | None) -> tuple[int, int] | None:
    """Return the codes of primaries and transfer function in a file; None where there are none."""
    if image_format == "PNG":
        place = content.find(b"cICP", 0, max(content.find(b"IDAT"), 0))
        return None if place < 0 or len(content) < place + 6 else (content[place + 4], content[place + 5])
    place = content.find(b"colrnclx") if image_format in ("AVIF", "HEIF") else -1
    if place < 0 or len(content) < place + 12:
        return None
    return int.from_bytes(content[place + 8 : place + 10]), int.from_bytes(content[place + 10 : place + 12])


def orientation_of(image: Image.Image) -> tuple[Image.Transpose | None, list[str]]:
    """Return the transposition that turns an image upright by its EXIF orientation, and notes on it."""
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # damaged EXIF makes Pillow raise anything; the pixels are sound
        return None, ["damaged EXIF ignored"]
    turn = _UPRIGHT.get(orientation)
    return turn, [] if turn is None else ["EXIF orientation applied"]


def time_taken(image: Image.Image) -> float | None:
    """Return seconds since 1970 at which a photograph was taken by the camera's clock (EXIF); None where unknown."""
    try:
        text = image.getexif().get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal]
        return datetime.strptime(text[:19], "%Y:%m:%d %H:%M:%S").replace(tzinfo=UTC).timestamp()
    except Exception:  # as above; a camera without a clock writes zeros
        return None


def _reduced_to_8_bits(image: Image.Image) -> Image.Image:
    """Scale grey of more than 8 bits so that white becomes 255 (Pillow's conversion clips instead)."""
    tags = getattr(image, "tag_v2", {})
    white = 2 ** int(tags.get(ExifTags.Base.BitsPerSample, (16,))[0]) - 1
    levels = np.round(np.minimum(np.arange(65536) / white, 1) * 255).astype(np.uint8)
    if tags.get(ExifTags.Base.PhotometricInterpretation) == 0:  # black is white in this TIFF, as in a negative
        levels = 255 - levels
    return Image.fromarray(levels[np.clip(np.asarray(image), 0, 65535)])


@lru_cache(maxsize=16)
def _srgb_of_profile(profile: bytes) -> ImageCms.ImageCmsTransform | None:
    """Return the transform from a profile's colours to sRGB; None where it moves none by more than a level of 255."""
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


@lru_cache(maxsize=8)
def _srgb_of_codes(codes: tuple[int, int]) -> tuple[ImageFilter.Color3DLUT | None, str | None]:
    """Return the filter that brings 8-bit RGB to sRGB, and a note; neither where the colours are near those of sRGB."""
    primaries, transfer = codes
    if transfer not in _CURVES or primaries not in (*_SRGB_LIKE, *_TO_BT709):
        return None, f"colours of the codes {primaries}/{transfer} (H.273) taken for sRGB"
    if primaries in _SRGB_LIKE and not _CURVES[transfer]:
        return None, None
    name, matrix = _TO_BT709.get(primaries, ("BT.709", np.eye(3)))
    axis = np.linspace(0, 1, _GRID)
    blue, green, red = np.meshgrid(axis, axis, axis, indexing="ij")  # red varies fastest
    linear = _linear(np.stack([red, green, blue], axis=-1), transfer) @ np.asarray(matrix).T
    clipped = np.clip(linear, 0, 1)
    levels = np.where(clipped <= 0.0031308, 12.92 * clipped, 1.055 * clipped ** (1 / 2.4) - 0.055)
    table = levels.astype(np.float32).ravel().tolist()
    return ImageFilter.Color3DLUT(_GRID, table), f"{name}{_CURVES[transfer]} converted to sRGB"


def _linear(coded: NDArray[np.float64], transfer: int) -> NDArray[np.float64]:
    """Return linear light, 1 for diffuse white: by SMPTE ST 2084, by BT.2100 on a display of 1000 cd/m2, or sRGB."""
    if transfer == 16:
        root = coded ** (32 / 2523)
        light = np.maximum(root - 3424 / 4096, 0) / (2413 / 128 - 2392 / 128 * root)
        return np.asarray(10_000 / _WHITE * light ** (16384 / 2610))
    if transfer == 18:
        scene = np.where(coded <= 0.5, coded**2 / 3, (np.exp((coded - 0.55991073) / 0.17883277) + 0.28466892) / 12)
        luminance = scene @ np.array([0.2627, 0.6780, 0.0593])
        return np.asarray(1000 / _WHITE * luminance[..., None] ** 0.2 * scene)
    return np.where(coded <= 0.04045, coded / 12.92, ((coded + 0.055) / 1.055) ** 2.4)
