"""Checks of single image files: faults, unusual properties, and a thumbnail of each."""

import os
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from linearityiqa.data.checks.findings import Finding
from linearityiqa.data.checks.neardup import SIDE, thumbnail
from linearityiqa.errors import UnreadableImageError
from linearityiqa.files import sha256_of
from linearityiqa.images import opened, to_rgb
from linearityiqa.images.opening import ALL_SUFFIXES, SUFFIXES
from linearityiqa.machine import each_in_processes


@dataclass(frozen=True, kw_only=True)
class ImageCheck:
    """Properties of an image file; format and mode are Pillow's names."""

    name: str
    error: str = ""
    """Why it cannot be decoded; where this is empty, the rest is known."""
    truncated: bool = False
    digest: str = ""
    """SHA-256 of the file."""
    size: tuple[int, int] = (0, 0)
    """(width, height) as they are in the file."""
    format: str = ""
    mode: str = ""
    notes: tuple[str, ...] = ()
    """What was done to its pixels that may bear on quality, and whether it is turned by its EXIF orientation."""
    constant: bool = False
    picture: bytes = b""
    """The thumbnail's 64 x 64 bytes."""


def inspect_image(name: str, folder: Path) -> ImageCheck:
    """Decode an image, a JPEG at reduced size, which still reads all of its data and so notices a cut file."""
    path = folder / name
    try:
        with opened(path, enough=lambda _: (2 * SIDE, 2 * SIDE)) as (image, choice):
            size, mode, kind = image.size, image.mode, image.format or ""
            image.draft("L" if mode in ("RGB", "L") else None, (2 * SIDE, 2 * SIDE))
            pixels, notes, _ = to_rgb(image, name=str(path), exif_rotation=True)
            digest = sha256_of(path)
    except UnreadableImageError as cause:
        # the message names the file, and a file may be called anything
        return ImageCheck(name=name, error=str(cause), truncated="truncated" in str(cause.__cause__))
    return ImageCheck(
        name=name,
        digest=digest,
        size=size,
        format=kind,
        mode=mode,
        notes=(*choice, *notes),
        constant=all(band.getextrema()[0] == band.getextrema()[1] for band in pixels.split()),
        picture=thumbnail(pixels).tobytes(),
    )


def inspect_images(names: Sequence[str], folder: Path, workers: int) -> Iterator[ImageCheck]:
    """Yield the properties of each image of a folder, in order; 0 workers decode in this process.

    A script that uses workers needs the usual ``if __name__ == "__main__":`` around its calls.
    """
    return each_in_processes(partial(_inspect, folder=folder), names, workers, preloaded=__name__)


def _inspect(names: Sequence[str], folder: Path) -> list[ImageCheck]:
    return [inspect_image(name, folder) for name in names]


def keep_pictures(checks: Iterable[ImageCheck], file: IO[bytes]) -> tuple[list[ImageCheck], NDArray[np.uint8]]:
    """Move the thumbnails of at least one image into a file, so that those of millions need no memory.

    Returns:
        The checks without their thumbnails; the thumbnails mapped from the file, uint8 (N, 64, 64), else black.
    """
    seen = []
    for check in checks:
        file.write(check.picture.ljust(SIDE * SIDE, b"\0"))
        seen.append(replace(check, picture=b""))
    file.flush()
    return seen, np.memmap(file, dtype=np.uint8, mode="r", shape=(len(seen), SIDE, SIDE))


USUAL = 0.5
"""A size that more than this part of the images has is the usual one; others are remarked on."""
SMALL = 64
"""Sides below this many pixels are remarked on where no size is usual."""
LISTED = 1_000_000
"""Most files of a folder that are looked through for images without a row."""

_KINDS = {"L": "grey", "1": "black and white", "LA": "grey", "P": "palette", "CMYK": "CMYK", "I;16": "16-bit grey"}
_TURNED = "EXIF orientation applied"


def check_images(checks: Sequence[ImageCheck], exif_rotation: bool) -> Iterator[Finding]:
    """Yield findings about single files; `exif_rotation` tells whether that option is set."""
    for check in checks:
        if check.error:
            yield Finding("truncated" if check.truncated else "unreadable", check.error, (check.name,))
        elif check.constant:
            yield Finding("constant", f"every pixel of {check.name} has the same colour.", (check.name,))
    whole = [check for check in checks if not check.error]
    yield from _orientations(whole, exif_rotation)
    yield from _sizes(whole)
    yield from _modes(whole)
    yield from _formats(whole)


def check_unlisted(folder: Path, listed: Collection[str]) -> Iterator[Finding]:
    """Yield a remark on image files in the folders of the listed images that the labels do not name."""
    known = set(listed)
    unlisted = []
    for inner in sorted({os.path.dirname(name) for name in listed}):  # noqa: PTH120 - names, not files
        with os.scandir(folder / inner) as entries:
            for entry in islice(entries, LISTED):
                name = f"{inner}/{entry.name}" if inner else entry.name
                if Path(entry.name).suffix.lower() in ALL_SUFFIXES and name not in known and entry.is_file():
                    unlisted.append(name)
    if unlisted:
        message = f"{_images(len(unlisted))} in the same folders {_have(len(unlisted))} no row in the labels."
        yield Finding("unlisted", message, tuple(sorted(unlisted)), "remark")


def _orientations(checks: list[ImageCheck], exif_rotation: bool) -> Iterator[Finding]:
    turned = tuple(check.name for check in checks if _TURNED in check.notes and check.format != "TIFF")
    if turned:
        what = "are turned upright by it" if exif_rotation else "are used unturned unless --exif_rotation is given"
        message = f"{_images(len(turned))} {_have(len(turned))} an EXIF orientation: they {what}."
        yield Finding("orientation", message, turned, "remark")


def _sizes(checks: list[ImageCheck]) -> Iterator[Finding]:
    sizes = Counter(check.size for check in checks)
    if not sizes:
        return
    (usual, count), *_ = sizes.most_common(1)
    if count > USUAL * len(checks):
        others = [check for check in checks if check.size != usual]
        what = f"{_are(len(others))} not {usual[0]} x {usual[1]} pixels (width x height) as the others are"
    else:
        others = [check for check in checks if min(check.size) < SMALL]
        what = f"{_have(len(others))} a side of less than {SMALL} pixels"
    if others:
        found = Counter(check.size for check in others).most_common(3)
        such = ", ".join(f"{width} x {height}" for (width, height), _ in found)
        yield Finding("size", f"{_images(len(others))} {what}: {such}{', ...' if len(sizes) > 4 else ''}.",
                      tuple(check.name for check in others), "remark")  # fmt: skip


def _modes(checks: list[ImageCheck]) -> Iterator[Finding]:
    groups: dict[str, list[str]] = {}
    for check in checks:
        for kind in _kinds(check):
            groups.setdefault(kind, []).append(check.name)
    for kind, names in sorted(groups.items()):
        share = "all images" if len(names) == len(checks) else _images(len(names))
        yield Finding("mode", f"{share} {_are(len(names))} {kind}.", tuple(names), "remark")


def _kinds(check: ImageCheck) -> list[str]:
    """Return what is unusual about an image's pixels, as text that follows "is"."""
    kind = _KINDS.get(check.mode)
    alpha = ["transparent"] if "alpha composited on white" in check.notes else []
    deep = ["16-bit"] if "16-bit reduced to 8-bit" in check.notes and kind != "16-bit grey" else []
    several = ["multi-picture, of which the primary one counts"] if check.format == "MPO" else []
    return [*([kind] if kind else []), *alpha, *deep, *several]


def _formats(checks: list[ImageCheck]) -> Iterator[Finding]:
    for check in checks:
        usual = SUFFIXES.get(check.format, ())
        if usual and Path(check.name).suffix.lower() not in usual:
            message = f"{check.name} is a {check.format} file, in spite of its name."
            yield Finding("format", message, (check.name,), "remark")


def _images(count: int) -> str:
    return f"{count} image{'s' if count != 1 else ''}"


def _have(count: int) -> str:
    return "have" if count != 1 else "has"


def _are(count: int) -> str:
    return "are" if count != 1 else "is"
