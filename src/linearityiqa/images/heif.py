"""HEIC and HEIF photographs, as phones write them (extra: heif)."""

from importlib.util import find_spec
from typing import IO

from PIL import ImageFile

from linearityiqa.errors import UnreadableImageError

HEIF_SUFFIXES = (".heic", ".heif", ".hif")
"""Usual endings of their names."""
_BRANDS = frozenset((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"))
"""Of ISO/IEC 23008-12; the last two are also those of other coded pictures, such as AVIF."""


def heif_is_installed() -> bool:
    """Whether HEIF photographs can be decoded here."""
    return find_spec("pillow_heif") is not None


def is_heif(prefix: bytes) -> bool:
    """Whether a file that starts with these 12 bytes, or more, says that it is HEIF."""
    return prefix[4:8] == b"ftyp" and prefix[8:12] in _BRANDS


def open_heif(stream: IO[bytes], name: str) -> ImageFile.ImageFile:
    """The primary picture of a HEIF file, of which only the header has been read; upright once it is loaded.

    libheif's own limits on what a file may hold stay in force.

    Raises:
        UnreadableImageError: the extra is not installed.
        SyntaxError: it is no HEIF file.
    """
    try:
        from pillow_heif import HeifImageFile
    except ModuleNotFoundError as cause:
        raise UnreadableImageError(
            f"{name} is a HEIF photograph, which needs pillow-heif. Run: pip install 'linearityiqa[heif]'."
        ) from cause
    image: ImageFile.ImageFile = HeifImageFile(stream, "")  # type: ignore[no-untyped-call]
    return image
