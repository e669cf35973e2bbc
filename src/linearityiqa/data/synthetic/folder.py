"""The folder of the database: renamed into place when it is complete, with a note of how it was made."""

import contextlib
import importlib.metadata
import io
import json
import os
import platform
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from PIL import Image, features

from linearityiqa.data.databases.opening import MANIFEST
from linearityiqa.data.synthetic.distortions import ByteImage
from linearityiqa.errors import DataError
from linearityiqa.files import new_folder, sha256_of, wait_for_lock, write_bytes, write_text

LABELS = "labels.csv"
IMAGES = "images"


def holds(folder: Path, recipe: Mapping[str, Any]) -> bool:
    """Return whether `folder` already is the complete database of `recipe`; False where it does not exist or is empty.

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


def write_manifest(folder: Path, recipe: Mapping[str, Any]) -> None:
    """Note how the database was made, and the versions of libraries that its bytes also depend on."""
    packages = ("linearityiqa", "numpy", "scipy", "scikit-image", "Pillow")
    versions = {name: importlib.metadata.version(name) for name in packages}
    versions |= {f"Pillow's {codec}": str(features.version(codec)) for codec in ("jpg", "jpg_2000", "zlib")}
    versions["machine"] = platform.machine()
    manifest = {"recipe": recipe, "made with": versions, "labels_sha256": sha256_of(folder / LABELS)}
    write_text(folder / MANIFEST, json.dumps(manifest, indent=2) + "\n")


def write_image(path: Path, pixels: ByteImage) -> Path:
    """Write an image as PNG, atomically, and return its path."""
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, format="PNG")
    write_bytes(path, content.getvalue())
    return path


@contextlib.contextmanager
def staging_dir(folder: Path) -> Iterator[Path]:
    """Yield an empty hidden folder next to `folder`, to be renamed to it; it is removed at the end unless it was.

    One process at a time makes databases in a parent folder, and others wait. What a killed one left is removed.
    """
    place = folder.with_name(f".{folder.name}.partial")
    with new_folder(place.parent):
        descriptor = os.open(place.parent, os.O_RDONLY)
        with contextlib.ExitStack() as at_end:
            at_end.callback(os.close, descriptor)
            wait_for_lock(descriptor, f"a database in {place.parent}")
            at_end.callback(shutil.rmtree, place, ignore_errors=True)
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir()
            yield place
