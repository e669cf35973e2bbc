"""The folder of a database appears complete or not at all, and says what it holds."""

import contextlib
import fcntl
import io
import json
import logging
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from linearityiqa.data.databases.sources import MANIFEST
from linearityiqa.data.synthetic.distortions import ByteImage
from linearityiqa.errors import DataError
from linearityiqa.files import new_folder, sha256_of, write_bytes, write_text

LABELS = "labels.csv"
IMAGES = "images"


def write_png(path: Path, pixels: ByteImage) -> Path:
    """Write an image whole or not at all; its path."""
    return _write_image(path, pixels, format="PNG")


def write_jpeg(path: Path, pixels: ByteImage) -> Path:
    """The same as JPEG of quality 97 with colours at full size, whose traces are fainter than any distortion."""
    return _write_image(path, pixels, format="JPEG", quality=97, subsampling="4:4:4")


def _write_image(path: Path, pixels: ByteImage, **options: Any) -> Path:
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, **options)
    write_bytes(path, content.getvalue())
    return path


def write_manifest(folder: Path, recipe: Mapping[str, Any], versions: Mapping[str, str]) -> None:
    """Note how the database in `folder` was made, and the digest of its labels; the last file to be written."""
    manifest = {"recipe": recipe, "made with": versions, "labels_sha256": sha256_of(folder / LABELS)}
    write_text(folder / MANIFEST, json.dumps(manifest, indent=2) + "\n")


def holds(folder: Path, recipe: Mapping[str, Any]) -> bool:
    """Whether `folder` already is the database of `recipe`, whole.

    Returns:
        False where the folder does not exist or is empty.

    Raises:
        DataError: it holds something else, another database, or one from which files are missing.
    """
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return False
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        made, digest = manifest["recipe"], manifest["labels_sha256"]
        differing = [
            f"{name} {made.get(name)} instead of {value}" for name, value in recipe.items() if made.get(name) != value
        ]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as cause:
        raise DataError(
            f"{folder} exists and is no synthetic database (no valid {MANIFEST} in it). Choose another --output."
        ) from cause
    if differing:
        raise DataError(
            f"{folder} holds another synthetic database: {', '.join(differing)}. Choose another --output, or remove "
            "the folder."
        )
    if not (folder / LABELS).is_file() or sha256_of(folder / LABELS) != digest:
        raise DataError(f"{folder / LABELS} is missing or was changed. Remove {folder} and make the database again.")
    with (folder / LABELS).open("rb") as labels:
        listed = sum(1 for _ in labels) - 1
    present = sum(1 for _ in (folder / IMAGES).glob("*.*"))
    if present != listed:
        raise DataError(
            f"{folder / IMAGES} has {present} images instead of {listed}. Remove {folder} and make the database again."
        )
    return True


@contextlib.contextmanager
def workplace(folder: Path) -> Iterator[Path]:
    """An empty hidden folder beside `folder`, in which the database is made and from which it is renamed.

    Only one process has it at a time; another one waits. It is removed at the end unless it was renamed, and what a
    killed process left in it is removed at the next start.

    Raises:
        OSError: the place cannot be written.
    """
    place = folder.with_name(f".{folder.name}.partial")
    with new_folder(place.parent):
        descriptor = _lock(place)
        try:
            for leftover in place.iterdir():
                shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
            yield place
        finally:
            if _is(place, descriptor):
                shutil.rmtree(place, ignore_errors=True)
            os.close(descriptor)


def _lock(place: Path) -> int:
    """A descriptor of the folder `place`, made where necessary; the lock on it ends with the process at the latest."""
    while True:
        place.mkdir(exist_ok=True)
        try:
            descriptor = os.open(place, os.O_RDONLY)
        except FileNotFoundError:
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            logging.getLogger(__name__).info("waiting for another process that is making %s", place)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        if _is(place, descriptor):
            return descriptor
        os.close(descriptor)  # its owner has renamed or removed it meanwhile


def _is(place: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(place.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False
