"""Find the images that the words of a command name: files, folders, globs, a list on standard input, addresses."""

import fnmatch
import glob
import logging
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from linearityiqa.errors import ConfigError, DataError, UnreadableImageError
from linearityiqa.extras import require
from linearityiqa.images import MAX_FILE_BYTES
from linearityiqa.images.opening import ALL_SUFFIXES, SUFFIXES, heif_is_installed

logger = logging.getLogger(__name__)

IMAGE_SUFFIXES = ALL_SUFFIXES if heif_is_installed() else ALL_SUFFIXES - set(SUFFIXES["HEIF"])
"""Endings, in any case, of the files that a folder contributes."""

SYSTEM_FOLDERS = frozenset(("@eadir", "#recycle", "@recycle", "$recycle.bin", "__macosx", "system volume information"))
"""Folders, in lower case, that systems make for themselves: small copies, and what was deleted."""

MAX_LINE_BYTES = 32_768
"""A longer line is no path on any system: what is read is not a list of paths."""

SHOWN_NAMES = 6
"""Endings of skipped files, or names of skipped folders, that a notice names."""

LIST = "-"
"""The word for the list on standard input."""


def expand(
    words: Iterable[str | Path], listing: BinaryIO | None = None, *, exclude: Iterable[str] = (), null: bool = False
) -> Iterator[Path]:
    """Yield the images that `words` name, in order, as they are found.

    - ``-`` names the paths of `listing`;
    - an existing folder, all images below it, by name, but nothing hidden; links are followed, each folder once;
    - an existing file, itself, whatever its ending;
    - a glob (``**`` is any depth), the files that match it, by name; images only, unless it ends in a suffix;
    - any other word is yielded as it is, so that scoring it says what is wrong.

    Folders and globs leave out what `exclude` names, and folders that systems make for themselves (`SYSTEM_FOLDERS`).
    A folder that cannot be listed is yielded itself. A warning names the words that name no image, others count what
    was skipped.

    Args:
        words: what the user named.
        listing: a binary stream of paths, one a line, read as it comes; each is a file or a folder, never a glob.
        exclude: patterns of the shell for names, or for whole paths as they are found.
        null: the paths of `listing` end in NUL instead of a line break, as those of ``find -print0``.

    Raises:
        ConfigError: an empty word, an address, or ``-`` without `listing`.
        DataError: no word names an image, or `listing` is not a text of paths.
    """
    found = False
    empty: list[str] = []
    rules = _Filter(tuple(exclude), null)
    for word in map(str, words):
        missed = True
        for path in _named_by(word, listing, rules):
            found, missed = True, False
            yield path
        if missed:
            empty.append("standard input" if word == LIST else word)
    if empty and found:
        logger.warning("no image was found in %s", ", ".join(empty))
    for what, left_out in (("file", rules.files), ("folder", Counter(folder.name for folder in rules.folders))):
        if left_out:
            names = [name or "without ending" for name, _ in left_out.most_common(SHOWN_NAMES)]
            more = ", ..." if len(left_out) > len(names) else ""
            number = left_out.total()
            logger.warning("%d %s%s skipped: %s%s", number, what, "" if number == 1 else "s", ", ".join(names), more)
    if not found:
        raise DataError(f"no image was found in {', '.join(empty)}. Name image files, folders with images, or globs.")


def count(words: Iterable[str | Path], exclude: Iterable[str] = ()) -> int | None:
    """Count the images that `expand` would find; None where a list on standard input is among the words."""
    names = list(map(str, words))
    if LIST in names:
        return None
    return sum(1 for word in names for _ in _named_by(word, None, _Filter(tuple(exclude))))


@dataclass
class _Filter:
    """Patterns of what folders and globs leave out, and what they have left out so far."""

    exclude: tuple[str, ...] = ()
    null: bool = False
    files: Counter[str] = field(default_factory=Counter)
    """Files that are no images, by their ending."""
    folders: set[Path] = field(default_factory=set)
    """Folders that systems make for themselves."""

    def leave_out(self, path: Path) -> bool:
        """Return whether a pattern of the user names a file or folder."""
        return any(fnmatch.fnmatchcase(name, pattern) for pattern in self.exclude for name in (path.name, str(path)))


def is_url(word: str) -> bool:
    """Return whether a word is an address and not a path of this machine.

    >>> is_url("s3://bucket/a.jpg"), is_url("photos/a.jpg"), is_url("C://a.jpg")
    (True, False, False)
    """
    protocol, separator, _ = word.partition("://")
    return bool(separator) and len(protocol) > 1 and protocol.replace("+", "").replace("-", "").isalnum()


def expand_url(word: str) -> Iterator[str]:
    """Yield the images that an address names: an object, all images below a folder, or the matches of a glob."""
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
    """Read the content behind an address, or of a local file, of at most `MAX_FILE_BYTES` bytes."""
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


def _named_by(word: str, listing: BinaryIO | None, rules: _Filter) -> Iterator[Path]:
    if word == LIST:
        if listing is None:
            raise ConfigError(f"{LIST} means a list of paths on standard input, and there is none")
        for path in _listed(listing, b"\0" if rules.null else b"\n"):
            yield from _images_at(path, rules)
    elif not word:
        raise ConfigError("a path is empty. Name an image, a folder or a glob.")
    elif is_url(word) and not os.path.lexists(word):
        raise ConfigError(f"{word} is an address, not a file. Download it first, or score it with --ray.")
    elif glob.has_magic(word) and not os.path.lexists(word):
        yield from _matching(word, rules)
    else:
        yield from _images_at(Path(word), rules)


def _images_at(path: Path, rules: _Filter) -> Iterator[Path]:
    if os.path.isdir(path):  # noqa: PTH112 - pathlib raises where a name is too long
        yield from _images_below(path, rules)
    else:
        yield path


def _listed(listing: BinaryIO, end: bytes) -> Iterator[Path]:
    """Yield the paths of a text, one a line, without blank lines; names that are not UTF-8 are kept."""
    for number, line in enumerate(_lines(listing, end), start=1):
        if len(line) >= MAX_LINE_BYTES or b"\0" in line:
            raise DataError(
                f"line {number} of standard input is not a path. Give one path a line, as text, or with -0 what "
                "find -print0 prints."
            )
        name = line if end == b"\0" else line.removeprefix(b"\xef\xbb\xbf").rstrip(b"\r\n")
        if name.strip():
            yield Path(os.fsdecode(name))


def _lines(listing: BinaryIO, end: bytes) -> Iterator[bytes]:
    """Yield bounded lines as they come; those that do not end in a line break come without their end."""
    if end == b"\n":
        yield from iter(lambda: listing.readline(MAX_LINE_BYTES), b"")
        return
    rest = b""
    read = getattr(listing, "read1", listing.read)
    while chunk := read(MAX_LINE_BYTES) if len(rest) < MAX_LINE_BYTES else b"":
        *lines, rest = (rest + chunk).split(end)
        yield from lines
    yield rest


def _matching(pattern: str, rules: _Filter) -> Iterator[Path]:
    named = Path(pattern)
    any_ending = named.suffix not in ("", ".*")
    yield from _unlisted(pattern)
    for name in sorted(glob.glob(pattern, recursive=True)):  # noqa: PTH207 - Path.glob takes no absolute pattern
        path = Path(name)
        if not (any_ending or _is_image(name)) or path.is_dir() or any(map(rules.leave_out, (path, *path.parents))):
            continue
        of_system = (p for p in path.parents if p.name.lower() in SYSTEM_FOLDERS and p.name not in named.parts)
        if outermost := list(of_system)[-1:]:
            rules.folders.update(outermost)
        else:
            yield path


def _unlisted(pattern: str) -> Iterator[Path]:
    """Yield the folders that a glob should look into and that cannot be listed: glob passes over them in silence."""
    parts = Path(pattern).parts
    looked_into = (parts[:depth] for depth, part in enumerate(parts) if glob.has_magic(part))
    tops = {name for parents in looked_into for name in glob.glob(str(Path(*parents)), recursive=True)}  # noqa: PTH207
    for top in sorted(tops):
        if os.path.isdir(top):  # noqa: PTH112
            try:
                os.scandir(top).close()
            except OSError:
                yield Path(top)


def _images_below(top: Path, rules: _Filter) -> Iterator[Path]:
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
            found = [] if identity in entered else sorted(_visible(path, rules), reverse=True)
        except OSError:  # an input that fails: what was not looked at must not pass for scored
            yield path
            continue
        entered.add(identity)
        pending += [(path / name, is_inner) for name, is_inner in found]


def _visible(folder: Path, rules: _Filter) -> Iterator[tuple[str, bool]]:
    """Yield the folders and images in a folder that are not hidden or left out, and whether each is a folder."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(".") or rules.leave_out(folder / entry.name):
                continue
            try:
                is_folder = entry.is_dir()
            except OSError:  # a link to itself, say: an input that fails
                yield entry.name, False
                continue
            if is_folder and entry.name.lower() in SYSTEM_FOLDERS:
                rules.folders.add(folder / entry.name)
            elif is_folder or _is_image(entry.name):
                yield entry.name, is_folder
            elif not entry.name.lower().endswith(".xmp"):  # no one misses a sidecar's score
                rules.files[Path(entry.name).suffix.lower()] += 1


def _is_image(name: str) -> bool:
    return Path(name).suffix.lower() in IMAGE_SUFFIXES
