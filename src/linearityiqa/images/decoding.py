"""Decode one image file, or say why not."""

import contextlib
import importlib
import io
import stat
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
from PIL import ExifTags, Image, ImageFile

from linearityiqa.errors import ImageTooLargeError, UnreadableImageError
from linearityiqa.images.heif import is_heif, open_heif
from linearityiqa.images.profiles import in_srgb

DEFAULT_MAX_PIXELS = 100_000_000
"""Images with more pixels are refused before they are decoded."""
MAX_FILE_BYTES = 1 << 30
"""Files with more bytes are refused before they are read."""

# Raster formats only: Pillow would hand others, such as EPS, to outside programs.
_FORMATS = {
    "JPEG": "JpegImagePlugin",
    "PNG": "PngImagePlugin",
    "WEBP": "WebPImagePlugin",
    "TIFF": "TiffImagePlugin",
    "BMP": "BmpImagePlugin",
    "GIF": "GifImagePlugin",
    "PPM": "PpmImagePlugin",
    "JPEG2000": "Jpeg2KImagePlugin",
    "AVIF": "AvifImagePlugin",
}
for _plugin in _FORMATS.values():
    with contextlib.suppress(ModuleNotFoundError):  # Pillow reads AVIF since 11.3
        importlib.import_module(f"PIL.{_plugin}")

_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What undoes each EXIF orientation but 1."""


class DecodedImage(NamedTuple):
    """An RGB image, and what was done to it on the way that may bear on its quality."""

    image: Image.Image
    notes: tuple[str, ...]


def decode(
    source: Path | bytes,
    *,
    name: str | None = None,
    exif_rotation: bool = False,
    colour_profile: bool = False,
    max_pixels: int = DEFAULT_MAX_PIXELS,
) -> DecodedImage:
    """Decode one image to 8-bit RGB.

    Grey, 1-bit and palette images are converted without loss. CMYK is converted without a colour profile.
    Transparent images are composited on white. 16-bit samples are scaled to 8 bits (65535 becomes 255). Of a multi-
    picture JPEG the primary picture is taken. The orientation tag of a TIFF, which belongs to the format itself, is
    always applied. Every conversion that loses something is in the notes.

    Args:
        source: a file, or the content of one.
        name: how messages call the image; by default its path.
        exif_rotation: turn the image upright by its EXIF orientation; damaged EXIF is ignored, with a note.
        colour_profile: bring the colours of an embedded ICC profile to sRGB; else profiles are ignored.
        max_pixels: refuse larger images, by their header, before any memory is taken for them.

    Raises:
        UnreadableImageError: the file is missing, unreadable, empty, truncated, no image, animated, too large, or of
            samples without a defined white (32-bit integer, floating point).
    """
    name = name or ("the image" if isinstance(source, bytes) else str(source))
    with opened(source, name=name, max_pixels=max_pixels) as (undecoded, notes):
        image, conversions = to_rgb(
            undecoded, name=name, exif_rotation=exif_rotation, colour_profile=colour_profile, max_pixels=max_pixels
        )
        return DecodedImage(image, (*notes, *conversions))


@contextlib.contextmanager
def opened(
    source: Path | bytes, *, name: str | None = None, max_pixels: int = DEFAULT_MAX_PIXELS
) -> Iterator[tuple[ImageFile.ImageFile, tuple[str, ...]]]:
    """An image of which only the header has been read, and notes on the choice of the picture; else as `decode`.

    Whatever fails in the block becomes one sentence about the image.

    Raises:
        UnreadableImageError: as `decode`.
    """
    name = name or ("the image" if isinstance(source, bytes) else str(source))
    with _explained(name):
        content = source if isinstance(source, bytes) else _read(source, name)
        if not content:
            raise UnreadableImageError(f"{name} is empty (0 bytes). Copy the file again.")
        image = _open(io.BytesIO(content), name, max_pixels)
        yield image, tuple(_single_picture(image, name))


def to_rgb(
    image: Image.Image,
    *,
    name: str = "the image",
    exif_rotation: bool = False,
    colour_profile: bool = False,
    max_pixels: int = DEFAULT_MAX_PIXELS,
) -> DecodedImage:
    """Bring a Pillow image to 8-bit RGB, as `decode` does with a file's; of an animation, the frame it stands at.

    Args:
        image: any Pillow image, loaded or not.
        name: how messages call it.
        exif_rotation: turn it upright by its EXIF orientation; damaged EXIF is ignored, with a note.
        colour_profile: as of `decode`.
        max_pixels: refuse larger images.

    Raises:
        UnreadableImageError: the image is truncated, too large, or of samples without a defined white.
    """
    with _explained(name):
        _check_pixels(image, name, max_pixels)
        # load() forgets the layout of the samples in the file
        deep = image.mode.startswith("I;16") or ";16" in str(getattr(image, "tile", ""))
        image.load()
        coloured, remarks = in_srgb(image) if colour_profile else (image, [])
        upright, notes = _convert(coloured, name)
        notes += remarks
        if deep:
            notes.append("16-bit reduced to 8-bit")
        if image.format == "HEIF":
            depth = image.info.get("bit_depth", 8)
            notes.append("decoded from HEIF" + (f", {depth}-bit reduced to 8-bit" if depth > 8 else ""))
        if exif_rotation:
            orientation, remarks = _orientation(image)
            upright = upright.transpose(_UPRIGHT[orientation]) if orientation in _UPRIGHT else upright
            notes += remarks
        return DecodedImage(upright, tuple(notes))


def image_size(path: Path, *, exif_rotation: bool = False, max_pixels: int = DEFAULT_MAX_PIXELS) -> tuple[int, int]:
    """(height, width) that `decode` would give, from the file's header only.

    Only a PNG of which the EXIF orientation is asked is decoded: it may stand behind the pixels.

    Raises:
        UnreadableImageError: the file is missing, unreadable, empty, no image, or too large.
    """
    name = str(path)
    with _explained(name):
        _check_file(path, name)
        with path.open("rb") as stream:
            image = _open(stream, name, max_pixels)
            width, height = image.size
            # Pillow gives the size of a TIFF as it is after the orientation tag, which stays readable until load()
            turned = exif_rotation and image.format != "TIFF" and _orientation(image)[0] >= 5
    return (width, height) if turned else (height, width)


@contextlib.contextmanager
def _explained(name: str) -> Iterator[None]:
    """Turn whatever goes wrong in the block into one sentence about the image `name`."""
    try:
        yield
    except UnreadableImageError:
        raise
    except Image.DecompressionBombError as cause:
        raise _too_large(name, "Pillow takes it for a decompression bomb") from cause
    except MemoryError as cause:
        raise _too_large(name, "there is not enough memory") from cause
    except Exception as cause:  # on damaged bytes Pillow's readers raise anything from KeyError to ZeroDivisionError
        reason = str(cause).rstrip(".") or type(cause).__name__
        raise UnreadableImageError(f"cannot decode {name}: {reason}. Copy the file again, or leave it out.") from cause


def _too_large(name: str, reason: str) -> ImageTooLargeError:
    return ImageTooLargeError(
        f"{name} is too large to decode: {reason}. Scale it down, or raise the limit (max_megapixels when scoring)."
    )


def _check_file(path: Path, name: str) -> None:
    """Refuse what is not a regular file of some, and not too many, bytes."""
    try:
        status = path.stat()
    except FileNotFoundError as cause:
        raise UnreadableImageError(f"{name} does not exist. Check the path.") from cause
    except (OSError, ValueError) as cause:
        reason = getattr(cause, "strerror", None) or cause
        raise UnreadableImageError(f"cannot read {name}: {reason}. Check the path and its permissions.") from cause
    if stat.S_ISDIR(status.st_mode):
        raise UnreadableImageError(f"{name} is a folder, not an image. Name the image files in it.")
    if not stat.S_ISREG(status.st_mode):  # a named pipe would block for ever
        raise UnreadableImageError(f"{name} is not a regular file. Copy it into one.")
    if status.st_size == 0:
        raise UnreadableImageError(f"{name} is empty (0 bytes). Copy the file again.")
    if status.st_size > MAX_FILE_BYTES:
        raise UnreadableImageError(
            f"{name} has {status.st_size} bytes, more than the {MAX_FILE_BYTES} allowed. Save it compressed."
        )


def _read(path: Path, name: str) -> bytes:
    _check_file(path, name)
    try:
        with path.open("rb") as stream:
            return stream.read(MAX_FILE_BYTES)
    except OSError as cause:
        raise UnreadableImageError(
            f"cannot read {name}: {cause.strerror or cause}. Check its permissions and the disk."
        ) from cause


def _open(stream: IO[bytes], name: str, max_pixels: int) -> ImageFile.ImageFile:
    """Identify the format and read the header, with `max_pixels` as the only limit.

    Not by Image.open: its limit on pixels is a setting of the whole process, and it warns below that limit.
    """
    prefix = stream.read(16)
    for image_format in _FORMATS:
        factory, accept = Image.OPEN.get(image_format, (None, None))
        try:
            accepted = factory is not None and (accept is None or accept(prefix))
            if (
                factory is None or not accepted or isinstance(accepted, str)
            ):  # a text says what Pillow was built without
                continue
            stream.seek(0)
            image = factory(stream, "")
        except (SyntaxError, IndexError, TypeError, struct.error):  # Pillow's ways to say that it is another format
            continue
        _check_pixels(image, name, max_pixels)
        return image
    if is_heif(prefix):  # after AVIF, which may call itself the same
        stream.seek(0)
        heif = open_heif(stream, name)
        _check_pixels(heif, name, max_pixels)
        return heif
    raise UnreadableImageError(
        f"{name} is not an image, or damaged at its start; known formats: {', '.join(_FORMATS)}. "
        "Convert it, copy it again, or leave it out."
    )


def _check_pixels(image: Image.Image, name: str, max_pixels: int) -> None:
    pixels = image.width * image.height
    if pixels > max_pixels:
        size = f"{image.width} x {image.height} pixels are {pixels / 1e6:.1f} megapixels"
        raise _too_large(name, f"{size}, more than the {max_pixels / 1e6:g} allowed")


def _single_picture(image: ImageFile.ImageFile, name: str) -> list[str]:
    """Notes on the choice of the picture; an animation leaves none."""
    if not getattr(image, "is_animated", False):
        return []
    if image.format in ("MPO", "HEIF"):
        return [f"primary picture of a multi-picture {'JPEG' if image.format == 'MPO' else 'HEIF'}"]
    raise UnreadableImageError(
        f"{name} is animated or has several pages. Save the picture that is meant in a file of its own."
    )


def _convert(image: Image.Image, name: str) -> tuple[Image.Image, list[str]]:
    """A loaded image in 8-bit RGB, and notes on what that lost."""
    notes: list[str] = []
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
            return canvas, [*notes, "alpha composited on white"]
        plain = coloured
    if plain.mode == "CMYK":
        notes.append("CMYK converted to RGB")
    # also a plain RGB image is copied where it would keep the other pictures of its file in memory
    return plain if plain.mode == "RGB" and image.format != "MPO" else plain.convert("RGB"), notes


def _reduced_to_8_bits(image: Image.Image) -> Image.Image:
    """Grey of more than 8 bits, scaled so that white becomes 255 (Pillow's conversion clips instead)."""
    tags = getattr(image, "tag_v2", {})
    white = 2 ** int(tags.get(ExifTags.Base.BitsPerSample, (16,))[0]) - 1
    levels = np.round(np.minimum(np.arange(65536) / white, 1) * 255).astype(np.uint8)
    if tags.get(ExifTags.Base.PhotometricInterpretation) == 0:  # black is white in this TIFF, as in a negative
        levels = 255 - levels
    return Image.fromarray(levels[np.clip(np.asarray(image), 0, 65535)])


def _orientation(image: Image.Image) -> tuple[int, list[str]]:
    """EXIF orientation 1..8, and notes on it."""
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # damaged EXIF makes Pillow raise anything; the pixels are sound all the same
        return 1, ["damaged EXIF ignored"]
    return (orientation, ["EXIF orientation applied"]) if orientation in _UPRIGHT else (1, [])
