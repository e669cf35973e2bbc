"""Files that are written atomically, their kinds and their digests."""

import contextlib
import hashlib
import logging
import os
import re
import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from linearityiqa.errors import ModelFileError, OutputError

SECONDS_BETWEEN_LOOKS = 0.2
"""Seconds between two tries of a process that waits for a lock."""

ZIP_START = b"PK\x03\x04"
_PICKLE_START = b"\x80"
_SAFETENSORS_START = re.compile(rb".{8}\s*\{", re.DOTALL)

_log = logging.getLogger(__name__)


@contextlib.contextmanager
def atomic_path(path: Path, *, sync: bool = True) -> Iterator[Path]:
    """Yield a temporary path in the same folder, which is renamed to `path` when the block ends without an error.

    The content is synced to disk before the rename, and the folder after it, so that a reader or a crash sees the
    old file or the new one, never a part (without `sync`, a crash of the machine may leave a part). Missing parent
    folders are made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}{path.suffix}")
    # not mkstemp, whose files are private: the system applies the umask, which only a change to it could read
    os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    mode = temporary.stat().st_mode
    try:
        yield temporary
        temporary.chmod(mode)  # a library may have replaced the file by a private one, as safetensors does
        if sync:
            _sync(temporary)
        temporary.replace(path)
        if sync:
            _sync(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def writing(what: str, remedy: str = "Make room, or choose another folder.") -> Iterator[None]:
    """Turn an `OSError` of writing `what` into an `OutputError` with a remedy."""
    try:
        yield
    except OSError as cause:
        raise OutputError(f"cannot write {what}: {cause.strerror or cause}. {remedy}") from cause


@contextlib.contextmanager
def new_folder(folder: Path) -> Iterator[None]:
    """Make a folder and its missing parents; where the block fails, those of them left empty are removed."""
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except BaseException:
        with contextlib.suppress(OSError):  # the first that is not empty, or was never made
            for path in made:
                path.rmdir()
        raise


def try_lock(descriptor: int) -> bool | None:
    """Take the lock of an open file, until the descriptor is closed or the process ends; return whether it was free.

    None: there are no locks (Windows, some network file systems).
    """
    try:
        import fcntl
    except ImportError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def wait_for_lock(descriptor: int, what: str) -> None:
    """Take the lock of an open file, if need be after the process that has it; `what` it makes is for the log."""
    if try_lock(descriptor) is False:
        _log.info("another process is making %s; waiting for it", what)
        while try_lock(descriptor) is False:
            time.sleep(SECONDS_BETWEEN_LOOKS)


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_bytes(path: Path, content: bytes) -> None:
    """Write a binary file atomically."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)


def start_of_model(path: Path) -> bytes:
    """Return the first 64 bytes of a model file; ModelFileError where it is missing, empty, unreadable or a folder."""
    if path.is_dir():
        raise ModelFileError(f"{path} is a folder. Name the model file in it, such as {path / 'model.safetensors'}.")
    if not path.exists():
        raise ModelFileError(f"there is no model file {path}. Check the path.")
    if not path.is_file():
        raise ModelFileError(f"{path} is not a regular file. Save the model to a file first.")
    try:
        with path.open("rb") as stream:
            start = stream.read(64)
    except OSError as cause:
        raise ModelFileError(f"cannot read {path}: {cause.strerror}. Check its permissions.") from cause
    if not start:
        raise ModelFileError(f"{path} is empty. Copy the file again.")
    if start.startswith(b"version https://git-lfs.github.com/spec/"):
        raise ModelFileError(f"{path} is a Git LFS pointer, not the model itself. Run git lfs pull in its repository.")
    return start


def file_kind(path: Path) -> Literal["safetensors", "torch"]:
    """Return the kind of a file of tensors by its first bytes; ModelFileError if it cannot be read or is neither."""
    kind = tensor_kind(start_of_model(path))
    if kind is None:
        raise ModelFileError(
            f"{path} is not a model file: it is neither safetensors nor a PyTorch checkpoint, and not named .onnx. "
            "Pass model.safetensors of a run folder, or a .pth file."
        )
    return kind


def tensor_kind(start: bytes) -> Literal["safetensors", "torch"] | None:
    """Return the kind of a file of tensors by its first bytes (64 are enough), None where it is neither."""
    if _SAFETENSORS_START.match(start):  # first, since the length that it starts with may look like a pickle
        return "safetensors"
    return "torch" if start.startswith((ZIP_START, _PICKLE_START)) else None


def sha256_of(path: Path) -> str:
    """Return the hexadecimal SHA-256 digest of a file's content."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _sync(path: Path) -> None:
    if os.name == "nt" and path.is_dir():  # Windows opens no folders, and orders renames itself
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def named_path(word: Path) -> tuple[str, Path]:
    """Return the name and the path in `name=path`; the name is empty where the word is a path that exists, or has none.

    >>> named_path(Path("mine=runs/a/model.safetensors"))
    ('mine', PosixPath('runs/a/model.safetensors'))
    """
    name, equals, path = str(word).partition("=")
    return ("", word) if not (name and equals and path) or os.sep in name or word.exists() else (name, Path(path))
