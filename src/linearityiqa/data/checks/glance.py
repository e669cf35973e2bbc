"""A look at each image file: is it whole, what is it like, and a thumbnail of it; many at a time."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from linearityiqa.data.checks.neardup import SIDE, thumbnail
from linearityiqa.data.loading.processes import each_in_processes
from linearityiqa.errors import UnreadableImageError
from linearityiqa.files import sha256_of
from linearityiqa.images import opened, to_rgb


@dataclass(frozen=True, kw_only=True)
class Glance:
    """What one image file is like.

    Attributes:
        name: its name relative to the folder.
        error: why it cannot be decoded, a sentence; else empty, and the rest is known.
        truncated: whether that is because its end is missing.
        digest: SHA-256 of the file.
        size: width and height as they are in the file.
        format: Pillow's name of the format.
        mode: Pillow's name of the kind of pixels.
        notes: what was done to its pixels that may bear on quality, and whether it is turned by its EXIF orientation.
        constant: whether all pixels are one colour.
        picture: the thumbnail's 64 x 64 bytes.
    """

    name: str
    error: str = ""
    truncated: bool = False
    digest: str = ""
    size: tuple[int, int] = (0, 0)
    format: str = ""
    mode: str = ""
    notes: tuple[str, ...] = ()
    constant: bool = False
    picture: bytes = b""


def glance_at(name: str, folder: Path) -> Glance:
    """Decode an image whole, a JPEG at reduced size: all of its data is read all the same, so a cut file is noticed."""
    path = folder / name
    try:
        with opened(path) as (image, choice):
            size, mode, kind = image.size, image.mode, image.format or ""
            image.draft("L" if mode in ("RGB", "L") else None, (2 * SIDE, 2 * SIDE))
            pixels, notes = to_rgb(image, name=str(path), exif_rotation=True)
            digest = sha256_of(path)
    except UnreadableImageError as cause:
        # the message names the file, and a file may be called anything
        return Glance(name=name, error=str(cause), truncated="truncated" in str(cause.__cause__))
    return Glance(
        name=name,
        digest=digest,
        size=size,
        format=kind,
        mode=mode,
        notes=(*choice, *notes),
        constant=all(band.getextrema()[0] == band.getextrema()[1] for band in pixels.split()),
        picture=thumbnail(pixels).tobytes(),
    )


def glances(names: Sequence[str], folder: Path, workers: int) -> Iterator[Glance]:
    """A look at each image, in order.

    A script that uses workers needs the usual ``if __name__ == "__main__":`` around its calls.

    Args:
        names: the files, relative to the folder.
        folder: where they are.
        workers: processes that decode; 0 decodes in this one.

    Raises:
        DataError: a process died.
    """
    return each_in_processes(partial(_glances_at, folder=folder), names, workers, preloaded=__name__)


def _glances_at(names: Sequence[str], folder: Path) -> list[Glance]:
    return [glance_at(name, folder) for name in names]
