"""Images behind addresses that fsspec opens, such as ``s3://bucket/photos/*.jpg``."""

import glob
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

from linearityiqa.errors import DataError, UnreadableImageError
from linearityiqa.extras import require
from linearityiqa.images import MAX_FILE_BYTES
from linearityiqa.scoring.inputs import IMAGE_SUFFIXES


def is_url(word: str) -> bool:
    """Whether a word is an address and not a path of this machine.

    >>> is_url("s3://bucket/a.jpg"), is_url("photos/a.jpg"), is_url("C://a.jpg")
    (True, False, False)
    """
    protocol, separator, _ = word.partition("://")
    return bool(separator) and len(protocol) > 1 and protocol.replace("+", "").replace("-", "").isalnum()


def expand_url(word: str) -> Iterator[str]:
    """The images that an address names, by name: an object, all images below a folder, or the matches of a glob.

    Raises:
        DataError: the address cannot be opened, or the package that its protocol needs is not installed.
        MissingExtraError: fsspec is not installed.
    """
    try:
        files, path = require("fsspec.core", "ray").url_to_fs(word)
        if glob.has_magic(path):
            found = [name for name in files.glob(path) if _is_image(name)]
        elif files.isdir(path):
            found = [name for name in files.find(path) if _is_image(name)]
        else:
            found = [path]
        yield from (str(files.unstrip_protocol(name)) for name in sorted(found))
    except (OSError, ValueError, ImportError) as cause:
        raise DataError(
            f"cannot open {word}: {cause}. Check the address, and that its protocol is installed."
        ) from cause


def read_url(address: str) -> bytes:
    """The content behind an address, or of a local file.

    Raises:
        UnreadableImageError: it is missing, cannot be read, is empty, or has more than `MAX_FILE_BYTES` bytes.
    """
    try:
        opened: Any = require("fsspec", "ray").open(address, "rb")
        with opened as stream:
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


def _is_image(name: str) -> bool:
    return PurePosixPath(name).suffix.lower() in IMAGE_SUFFIXES
