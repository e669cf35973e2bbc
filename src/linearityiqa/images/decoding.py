"""Decode one image file, or say why not."""

import contextlib
import ctypes
import importlib
import importlib.util
import io
import os
import stat
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NamedTuple

from PIL import ExifTags, Image, ImageFile, _imaging

from linearityiqa.errors import ImageTooLargeError, UnreadableImageError
from linearityiqa.images import jpeg
from linearityiqa.images.colour_codes import colour_codes
from linearityiqa.images.conversion import in_rgb, in_srgb, orientation_of

DEFAULT_MAX_PIXELS = 100_000_000
"""Images of which more pixels would be decoded are refused before they are."""
MAX_WHOLE = 4
"""Times as many pixels as those decoded may a JPEG have in its file, whose compressed data are read whole."""
MAX_FILE_BYTES = 1 << 30
"""Files with more bytes are refused before they are read."""
MAX_PIXELS_PER_BYTE = 10_000
"""Photographs have at most a few hundred; a header that declares more costs a decoding of nothing."""
HEIF_SUFFIXES = (".heic", ".heif", ".hif")
"""Usual endings of the names of HEIF photographs, which phones write; they need the extra `heif`."""

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

# libtiff writes to standard error, a line for each row of a damaged fax; what ends decoding is in Pillow's exception.
with contextlib.suppress(AttributeError, OSError):  # where libtiff is linked in another way
    ctypes.CDLL(_imaging.__file__).TIFFSetErrorHandler(None)

_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
"""Of ISO/IEC 23008-12; the last two are also those of other coded pictures, such as AVIF."""
_TURNED = (Image.Transpose.TRANSPOSE, Image.Transpose.ROTATE_270, Image.Transpose.TRANSVERSE, Image.Transpose.ROTATE_90)
"""Transpositions that exchange height and width."""


class DecodedImage(NamedTuple):
    """An RGB image, notes on what was done to it that may bear on its quality, and (height, width) of it in the file.

    The last is that of the whole image, turned as the image is, also where the image was decoded at a reduced scale.
    """

    image: Image.Image
    notes: tuple[str, ...]
    native: tuple[int, int]


def decode(
    source: Path | bytes,
    *,
    name: str | None = None,
    exif_rotation: bool = False,
    colour_profile: bool = False,
    max_pixels: int = DEFAULT_MAX_PIXELS,
    enough: jpeg.Enough | None = None,
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
        max_pixels: refuse images of which more would be decoded, by their header, before any memory is taken for them.
        enough: gives the (height, width) that suffices of an image of (height, width); a JPEG is decoded at the
            smallest scale (1, 1/2, 1/4, 1/8) that gives it. By default all are decoded whole.

    Raises:
        UnreadableImageError: the file is missing, unreadable, empty, truncated, no image, animated, too large, or of
            samples without a defined white (32-bit integer, floating point).
    """
    name = name or _name_of(source)
    with opened(source, name=name, max_pixels=max_pixels, enough=enough) as (undecoded, notes):
        image = to_rgb(
            undecoded,
            name=name,
            exif_rotation=exif_rotation,
            colour_profile=colour_profile,
            max_pixels=max_pixels,
            enough=enough,
        )
        return image._replace(notes=(*notes, *image.notes))


@contextlib.contextmanager
def opened(
    source: Path | bytes,
    *,
    name: str | None = None,
    max_pixels: int = DEFAULT_MAX_PIXELS,
    enough: jpeg.Enough | None = None,
) -> Iterator[tuple[ImageFile.ImageFile, tuple[str, ...]]]:
    """An image of which only the header has been read, and notes on the choice of the picture; else as `decode`.

    Whatever fails in the block becomes one sentence about the image.

    Raises:
        UnreadableImageError: as `decode`.
    """
    name = name or _name_of(source)
    with _explained(name):
        if isinstance(source, Path):
            with _open_file(source, name) as stream:
                source = stream.read(MAX_FILE_BYTES)
        image = _open(io.BytesIO(source), name, max_pixels, enough)
        image.info["colour_codes"] = colour_codes(source, image.format)
        yield image, tuple(_single_picture(image, name))


def to_rgb(
    image: Image.Image,
    *,
    name: str = "the image",
    exif_rotation: bool = False,
    colour_profile: bool = False,
    max_pixels: int = DEFAULT_MAX_PIXELS,
    enough: jpeg.Enough | None = None,
) -> DecodedImage:
    """Bring a Pillow image to 8-bit RGB, as `decode` does with a file's; of an animation, the frame it stands at.

    The image need not be loaded. The options are those of `decode`.

    Raises:
        UnreadableImageError: the image is truncated, too large, or of samples without a defined white.
    """
    with _explained(name):
        _check_pixels(image, name, max_pixels, enough)
        # load() forgets the layout of the samples in the file
        deep = image.mode.startswith("I;16") or ";16" in str(getattr(image, "tile", ""))
        plain = jpeg.reduced(image, enough)
        is_reduced = plain is not image
        plain = jpeg.decoded(plain) if jpeg.is_unread(plain) else plain
        plain.load()
        coloured, remarks = in_srgb(plain) if colour_profile else (plain, [])
        upright, notes = in_rgb(coloured, name)
        notes += remarks
        if deep:
            notes.append("16-bit reduced to 8-bit")
        if image.format == "HEIF":
            depth = image.info.get("bit_depth", 8)
            notes.append("decoded from HEIF" + (f", {depth}-bit reduced to 8-bit" if depth > 8 else ""))
        turn = None
        if exif_rotation:
            turn, remarks = orientation_of(image)
            upright = upright if turn is None else upright.transpose(turn)
            notes += remarks
        width, height = image.size if is_reduced else upright.size
        native = (width, height) if is_reduced and turn in _TURNED else (height, width)
        return DecodedImage(upright, tuple(notes), native)


def image_size(
    path: Path,
    *,
    exif_rotation: bool = False,
    max_pixels: int = DEFAULT_MAX_PIXELS,
    enough: jpeg.Enough | None = None,
) -> tuple[int, int]:
    """(height, width) of the whole image that `decode` would give, from the file's header only.

    Only a PNG of which the EXIF orientation is asked is decoded: it may stand behind the pixels.

    Raises:
        UnreadableImageError: the file is missing, unreadable, empty, no image, or too large.
    """
    name = str(path)
    with _explained(name), _open_file(path, name) as stream:
        image = _open(stream, name, max_pixels, enough)
        width, height = image.size
        # Pillow gives the size of a TIFF as it is after the orientation tag, which stays readable until load()
        turned = exif_rotation and image.format != "TIFF" and orientation_of(image)[0] in _TURNED
    return (width, height) if turned else (height, width)


def heif_is_installed() -> bool:
    """Whether HEIF photographs can be decoded here."""
    return importlib.util.find_spec("pillow_heif") is not None


def _name_of(source: Path | bytes) -> str:
    return "the image" if isinstance(source, bytes) else str(source)


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
        f"{name} is too large to decode: {reason}. Scale it down, or raise the limit (--max_megapixels)."
    )


def _open_file(path: Path, name: str) -> IO[bytes]:
    """Open a file for reading; refuse what is not a regular file of not too many bytes."""
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            os.scandir(path).close()  # where it cannot be listed, that is what is wrong
            raise UnreadableImageError(f"{name} is a folder, not an image. Name the image files in it.")
        if not stat.S_ISREG(status.st_mode):  # a named pipe would block for ever
            raise UnreadableImageError(f"{name} is not a regular file. Copy it into one.")
        if status.st_size > MAX_FILE_BYTES:
            raise UnreadableImageError(
                f"{name} has {status.st_size} bytes, more than the {MAX_FILE_BYTES} allowed. Save it compressed."
            )
        return path.open("rb")
    except FileNotFoundError as cause:
        raise UnreadableImageError(f"{name} does not exist. Check the path.") from cause
    except (OSError, ValueError) as cause:
        reason = getattr(cause, "strerror", None) or cause
        raise UnreadableImageError(f"cannot read {name}: {reason}. Check the path and its permissions.") from cause


def _open(stream: IO[bytes], name: str, max_pixels: int, enough: jpeg.Enough | None) -> ImageFile.ImageFile:
    """Identify the format and read the header, with `max_pixels` as the only limit.

    Not by Image.open: its limit on pixels is a setting of the whole process, and it warns below that limit.
    """
    length = stream.seek(0, os.SEEK_END)
    stream.seek(0)
    prefix = stream.read(16)
    if not prefix:
        raise UnreadableImageError(f"{name} is empty (0 bytes). Copy the file again.")
    image = _identified(stream, prefix)
    if image is None and prefix[4:8] == b"ftyp" and prefix[8:12] in _HEIF_BRANDS:  # after AVIF, which may say the same
        image = _open_heif(stream, name)
    if image is None:
        raise UnreadableImageError(
            f"{name} is not an image, or damaged at its start; known formats: {', '.join(_FORMATS)}. "
            "Convert it, copy it again, or leave it out."
        )
    tags = getattr(image, "tag_v2", {})
    if tags.get(ExifTags.Base.NewSubfileType, 0) & 1 or ExifTags.Base.DNGVersion in tags or prefix[8:10] == b"CR":
        raise UnreadableImageError(
            f"{name} is a camera's raw file, of which only the preview could be seen. Develop it, or score its JPEG."
        )
    _check_pixels(image, name, max_pixels, enough)
    if image.width * image.height > MAX_PIXELS_PER_BYTE * length:
        raise UnreadableImageError(
            f"{name} declares {image.width} x {image.height} pixels and has {length} bytes, too few for a photograph. "
            "Copy the file again, or leave it out."
        )
    return image


def _identified(stream: IO[bytes], prefix: bytes) -> ImageFile.ImageFile | None:
    """The image by the first of Pillow's readers that takes it."""
    for image_format in _FORMATS:
        factory, accept = Image.OPEN.get(image_format, (None, None))
        try:
            accepted = factory is not None and (accept is None or accept(prefix))
            # a text says what Pillow was built without
            if factory is not None and accepted and not isinstance(accepted, str):
                stream.seek(0)
                return factory(stream, "")
        except (SyntaxError, IndexError, TypeError, struct.error):  # Pillow's ways to say that it is another format
            continue
    return None


def _open_heif(stream: IO[bytes], name: str) -> ImageFile.ImageFile:
    """The primary picture of a HEIF file, upright once it is loaded; libheif's own limits stay in force."""
    try:
        from pillow_heif import HeifImageFile
    except ModuleNotFoundError as cause:
        raise UnreadableImageError(
            f"{name} is a HEIF photograph, which needs pillow-heif. Run: pip install 'linearityiqa[heif]'."
        ) from cause
    stream.seek(0)
    image: ImageFile.ImageFile = HeifImageFile(stream, "")  # type: ignore[no-untyped-call]
    return image


def _check_pixels(image: Image.Image, name: str, max_pixels: int, enough: jpeg.Enough | None) -> None:
    """Refuse an image of too many pixels to decode, or a TIFF with such a tile, which libtiff decodes as one."""
    tags = getattr(image, "tag_v2", {})
    tile = [tags.get(tag, 0) for tag in (ExifTags.Base.TileWidth, ExifTags.Base.TileLength)]
    reduced = jpeg.reduced(image, enough)
    # libjpeg holds the coefficients of a progressive file whole, at any scale
    whole = reduced is image or "progressive" in image.info
    bounds = (
        (image.size, max_pixels if whole else MAX_WHOLE * max_pixels),
        (reduced.size, max_pixels),
        (tile, max_pixels),
    )
    for (width, height), most in bounds:
        if width * height > most:
            size = f"{width} x {height} pixels are {width * height / 1e6:.1f} megapixels"
            raise _too_large(name, f"{size}, more than the {most / 1e6:g} allowed")


def _single_picture(image: ImageFile.ImageFile, name: str) -> list[str]:
    """Notes on the choice of the picture; an animation leaves none."""
    if not getattr(image, "is_animated", False):
        return []
    if image.format in ("MPO", "HEIF"):
        return [f"primary picture of a multi-picture {'JPEG' if image.format == 'MPO' else 'HEIF'}"]
    raise UnreadableImageError(
        f"{name} is animated or has several pages. Save the picture that is meant in a file of its own."
    )
