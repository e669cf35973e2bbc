"""Open one image file: identify the format and read the header, or say why not."""

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
from typing import IO

from PIL import ExifTags, Image, ImageFile, _imaging

from linearityiqa.errors import ImageTooLargeError, UnreadableImageError
from linearityiqa.images import jpeg
from linearityiqa.images.conversion import colour_codes

DEFAULT_MAX_PIXELS = 100_000_000
"""Images of which more pixels would be decoded are refused before they are."""
MAX_WHOLE = 4
"""Times as many pixels as those decoded may a JPEG have in its file, whose compressed data are read whole."""
MAX_FILE_BYTES = 1 << 30
"""Files with more bytes are refused before they are read."""
MAX_PIXELS_PER_BYTE = 10_000
"""Photographs have at most a few hundred; a header that declares more costs a decoding of nothing."""
SUFFIXES = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "MPO": (".jpg", ".jpeg", ".mpo"),
    "PNG": (".png", ".apng"),
    "WEBP": (".webp",),
    "TIFF": (".tif", ".tiff"),
    "BMP": (".bmp", ".dib"),
    "GIF": (".gif",),
    "PPM": (".ppm", ".pgm", ".pbm", ".pnm"),
    "JPEG2000": (".jp2", ".j2k", ".jpx", ".j2c"),
    "AVIF": (".avif",),
    "HEIF": (".heic", ".heif", ".hif"),
}
"""Usual suffixes of image files, by Pillow's name of the format; HEIF needs the extra `heif`."""
ALL_SUFFIXES = frozenset(suffix for suffixes in SUFFIXES.values() for suffix in suffixes)

# Raster formats only: Pillow would hand others, such as EPS, to outside programs.
_FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "PPM", "JPEG2000", "AVIF")
for _plugin in ("Jpeg", "Png", "WebP", "Tiff", "Bmp", "Gif", "Ppm", "Jpeg2K", "Avif"):
    with contextlib.suppress(ModuleNotFoundError):  # Pillow reads AVIF since 11.3
        importlib.import_module(f"PIL.{_plugin}ImagePlugin")

# libtiff writes to standard error, a line for each row of a damaged fax; what ends decoding is in Pillow's exception.
with contextlib.suppress(AttributeError, OSError):  # where libtiff is linked in another way
    ctypes.CDLL(_imaging.__file__).TIFFSetErrorHandler(None)

_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
"""Of ISO/IEC 23008-12; the last two are also those of other coded pictures, such as AVIF."""


def heif_is_installed() -> bool:
    """Return whether HEIF photographs can be decoded here."""
    return importlib.util.find_spec("pillow_heif") is not None


@contextlib.contextmanager
def opened(
    source: Path | bytes,
    *,
    name: str | None = None,
    max_pixels: int = DEFAULT_MAX_PIXELS,
    enough: jpeg.Enough | None = None,
) -> Iterator[tuple[ImageFile.ImageFile, tuple[str, ...]]]:
    """Open an image, of which only the header is read; also give notes on the choice of the picture.

    The options are those of `decode`. Whatever fails in the block becomes one sentence about the image, an
    `UnreadableImageError`.
    """
    name = name or name_of(source)
    with explained(name):
        if isinstance(source, Path):
            with open_file(source, name) as stream:
                source = stream.read(MAX_FILE_BYTES)
        image = read_header(io.BytesIO(source), name, max_pixels, enough)
        image.info["colour_codes"] = colour_codes(source, image.format)
        yield image, _notes_on_choice(image, name)


def name_of(source: Path | bytes) -> str:
    """Return how messages call an image that is given no name."""
    return "the image" if isinstance(source, bytes) else str(source)


@contextlib.contextmanager
def explained(name: str) -> Iterator[None]:
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


def open_file(path: Path, name: str) -> IO[bytes]:
    """Open a file for reading; UnreadableImageError unless it is a regular file of at most `MAX_FILE_BYTES`."""
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            os.scandir(path).close()  # raises where the folder cannot be listed, which is then the reason
            raise UnreadableImageError(f"{name} is a folder, not an image. Name the image files in it.")
        if not stat.S_ISREG(status.st_mode):  # opening a named pipe would block
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


def read_header(stream: IO[bytes], name: str, max_pixels: int, enough: jpeg.Enough | None) -> ImageFile.ImageFile:
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
    check_pixels(image, name, max_pixels, enough)
    if image.width * image.height > MAX_PIXELS_PER_BYTE * length:
        raise UnreadableImageError(
            f"{name} declares {image.width} x {image.height} pixels and has {length} bytes, too few for a photograph. "
            "Copy the file again, or leave it out."
        )
    return image


def _identified(stream: IO[bytes], prefix: bytes) -> ImageFile.ImageFile | None:
    """Open the image with the first of Pillow's readers that takes it."""
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
    """Open the primary picture of a HEIF file, upright once it is loaded; libheif's own limits stay in force."""
    try:
        from pillow_heif import HeifImageFile
    except ModuleNotFoundError as cause:
        raise UnreadableImageError(
            f"{name} is a HEIF photograph, which needs pillow-heif. Run: pip install 'linearityiqa[heif]'."
        ) from cause
    stream.seek(0)
    image: ImageFile.ImageFile = HeifImageFile(stream, "")  # type: ignore[no-untyped-call]
    return image


def check_pixels(image: Image.Image, name: str, max_pixels: int, enough: jpeg.Enough | None) -> None:
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


def _notes_on_choice(image: ImageFile.ImageFile, name: str) -> tuple[str, ...]:
    """Return notes on the choice of the picture; an animation leaves none, and is refused."""
    if not getattr(image, "is_animated", False):
        return ()
    if image.format in ("MPO", "HEIF"):
        return (f"primary picture of a multi-picture {'JPEG' if image.format == 'MPO' else 'HEIF'}",)
    raise UnreadableImageError(
        f"{name} is animated or has several pages. Save the picture that is meant in a separate file."
    )
