"""Images that the words of a command name: files, folders, globs, a list on standard input, addresses."""

import glob
import logging
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from linearityiqa.errors import ConfigError, DataError, UnreadableImageError
from linearityiqa.extras import require
from linearityiqa.images import MAX_FILE_BYTES
from linearityiqa.images.decoding import HEIF_SUFFIXES, heif_is_installed

logger = logging.getLogger(__name__)

# fmt: off
IMAGE_SUFFIXES = frozenset((
    ".avif", ".bmp", ".dib", ".gif", ".j2k", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".pnm",
    ".ppm", ".tif", ".tiff", ".webp",
))
# fmt: on
"""Endings, in any case, of the files that a folder contributes; with the extra heif also those of HEIF."""
if heif_is_installed():
    IMAGE_SUFFIXES |= set(HEIF_SUFFIXES)

MAX_LINE_BYTES = 32_768
"""A longer line is no path on any system: what is read is not a list of paths."""

SHOWN_SUFFIXES = 6
"""Endings of skipped files that a notice names."""

LIST = "-"
"""The word for the list on standard input."""


def expand(words: Iterable[str | Path], listing: BinaryIO | None = None) -> Iterator[Path]:
    """Yield the images that `words` name, in order, as they are found.

    - ``-`` names the paths of `listing`;
    - an existing folder, all images below it, by name, but nothing hidden; links are followed, each folder once;
    - an existing file, itself, whatever its ending;
    - a glob (``**`` is any depth), the files that match it, by name; images only, unless it ends in a suffix;
    - any other word stands for itself, so that scoring it says what is wrong.

    A warning names the words that name no image, another counts the files of folders that were passed over.

    Args:
        words: what the user named.
        listing: a binary stream of paths, one a line, read as it comes; each is a file or a folder, never a glob.

    Raises:
        ConfigError: an empty word, an address, or ``-`` without `listing`.
        DataError: no word names an image, or `listing` is not a text of paths.
    """
    found = False
    empty: list[str] = []
    skipped: Counter[str] = Counter()
    for word in map(str, words):
        missed = True
        for path in _named_by(word, listing, skipped):
            found, missed = True, False
            yield path
        if missed:
            empty.append("standard input" if word == LIST else word)
    if not found:
        raise DataError(f"no image was found in {', '.join(empty)}. Name image files, folders with images, or globs.")
    if empty:
        logger.warning("no image was found in %s", ", ".join(empty))
    if skipped:
        endings = [ending or "without ending" for ending, _ in skipped.most_common(SHOWN_SUFFIXES)]
        more = ", ..." if len(skipped) > len(endings) else ""
        files = skipped.total()
        logger.warning("%d file%s skipped: %s%s", files, "" if files == 1 else "s", ", ".join(endings), more)


def count(words: Iterable[str | Path]) -> int | None:
    """Number of images that `expand` would find; None where a list on standard input is among the words."""
    names = list(map(str, words))
    if LIST in names:
        return None
    return sum(1 for word in names for _ in _named_by(word, None, Counter()))


def is_url(word: str) -> bool:
    """Whether a word is an address and not a path of this machine.

    >>> is_url("s3://bucket/a.jpg"), is_url("photos/a.jpg"), is_url("C://a.jpg")
    (True, False, False)
    """
    protocol, separator, _ = word.partition("://")
    return bool(separator) and len(protocol) > 1 and protocol.replace("+", "").replace("-", "").isalnum()


def expand_url(word: str) -> Iterator[str]:
    """Yield the images that an address names: an object, all images below a folder, or the matches of a glob, by name.

    Raises:
        DataError: the address cannot be opened, or the package that its protocol needs is not installed.
        MissingExtraError: fsspec is not installed.
    """
    try:
        files, path = require("fsspec.core", "ray").url_to_fs(word)
        if glob.has_magic(path):
            found = sorted(filter(_is_image, files.glob(path)))
        elif files.isdir(path):
            found = sorted(filter(_is_image, files.find(path)))
        else:
            found = [path]
        yield from (str(files.unstrip_protocol(name)) for name in found)
    except (OSError, ValueError, ImportError) as cause:
        raise DataError(
            f"cannot open {word}: {cause}. Check the address, and that its protocol is installed."
        ) from cause


def read_url(address: str) -> bytes:
    """Read the content behind an address, or of a local file.

    Raises:
        UnreadableImageError: it is missing, cannot be read, is empty, or has more than `MAX_FILE_BYTES` bytes.
    """
    try:
        with require("fsspec", "ray").open(address, "rb") as stream:
            content = bytes(stream.read(MAX_FILE_BYTES + 1))
    except (OSError, ValueError, ImportError) as cause:
        reason = "it does not exist" if isinstance(cause, FileNotFoundError) else str(cause)
        raise UnreadableImageError(
            f"cannot read {address}: {reason}. Check the address and its permissions."
        ) from cause
    if not content:
        raise UnreadableImageError(f"{address} is empty (0 bytes). Copy the file again.")
    if len(content) > MAX_FILE_BYTES:
        raise UnreadableImageError(f"{address} has more than the {MAX_FILE_BYTES} bytes allowed. Save it compressed.")
    return content


def _named_by(word: str, listing: BinaryIO | None, skipped: Counter[str]) -> Iterator[Path]:
    if word == LIST:
        if listing is None:
            raise ConfigError(f"{LIST} stands for a list of paths on standard input, and there is none")
        for path in _listed(listing):
            yield from _images_at(path, skipped)
    elif not word:
        raise ConfigError("a path is empty. Name an image, a folder or a glob.")
    elif is_url(word) and not os.path.lexists(word):
        raise ConfigError(f"{word} is an address, not a file. Download it first, or score it with --ray.")
    elif glob.has_magic(word) and not os.path.lexists(word):
        yield from _matching(word)
    else:
        yield from _images_at(Path(word), skipped)


def _images_at(path: Path, skipped: Counter[str]) -> Iterator[Path]:
    if os.path.isdir(path):  # noqa: PTH112 - pathlib raises where a name is too long
        yield from _images_below(path, skipped)
    else:
        yield path


def _listed(listing: BinaryIO) -> Iterator[Path]:
    """Yield the paths of a text, one a line, without blank lines; names that are not UTF-8 are kept."""
    number = 0
    while line := listing.readline(MAX_LINE_BYTES):
        number += 1
        if len(line) == MAX_LINE_BYTES or b"\0" in line:
            raise DataError(f"line {number} of standard input is not a path. Give one path a line, as text.")
        name = line.removeprefix(b"\xef\xbb\xbf").rstrip(b"\r\n")
        if name.strip():
            yield Path(os.fsdecode(name))


def _matching(pattern: str) -> Iterator[Path]:
    any_ending = Path(pattern).suffix not in ("", ".*")
    for name in sorted(glob.glob(pattern, recursive=True)):  # noqa: PTH207 - Path.glob takes no absolute pattern
        path = Path(name)
        if (any_ending or _is_image(name)) and not path.is_dir():
            yield path


def _images_below(top: Path, skipped: Counter[str]) -> Iterator[Path]:
    """Walk a folder depth first, by name; memory grows with the open folders' entries, not with the whole tree."""
    pending = [(top, True)]
    entered: set[tuple[int, int]] = set()
    while pending:
        path, is_folder = pending.pop()
        if not is_folder:
            yield path
            continue
        try:
            identity = path.stat().st_dev, path.stat().st_ino
            found = [] if identity in entered else sorted(_visible(path, skipped), reverse=True)
        except OSError as cause:
            # the folder itself becomes an input that fails: what was not looked at must not pass for scored
            logger.warning("cannot list the folder %s: %s", path, cause.strerror)
            yield path
            continue
        entered.add(identity)
        pending += [(path / name, is_inner) for name, is_inner in found]


def _visible(folder: Path, skipped: Counter[str]) -> Iterator[tuple[str, bool]]:
    """(name, whether it is a folder) of the folders and image files in `folder` that are not hidden.

    Other files are counted in `skipped` by their ending.
    """
    with os.scandir(folder) as entries:
        for entry in entries:
            is_folder = entry.is_dir()
            if entry.name.startswith("."):
                continue
            if is_folder or _is_image(entry.name):
                yield entry.name, is_folder
            else:
                skipped[Path(entry.name).suffix.lower()] += 1


def _is_image(name: str) -> bool:
    return Path(name).suffix.lower() in IMAGE_SUFFIXES
