"""The folder of a database: made in parallel, complete or not there at all, with a note of how it was made."""

import contextlib
import csv
import functools
import importlib.metadata
import io
import json
import os
import platform
import shutil
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

from PIL import Image, features

from linearityiqa.config import SyntheticConfig
from linearityiqa.console import track
from linearityiqa.data.databases.opening import MANIFEST
from linearityiqa.data.synthetic.distortions import ByteImage
from linearityiqa.errors import DataError
from linearityiqa.files import new_folder, sha256_of, wait_for_lock, write_bytes, write_text
from linearityiqa.machine import default_workers, process_context, start_processes

T = TypeVar("T")

LABELS = "labels.csv"
IMAGES = "images"

Row = tuple[int, tuple[str, ...]]
"""Number of an image in the database, and its cells of the CSV file."""

_stop: Event | None = None
"""In a worker: set when the parent wants no more images."""


class Contents(NamedTuple, Generic[T]):
    """Contents of a database, and the work that makes them."""

    columns: Sequence[str]
    readme: str
    images: int
    tasks: Sequence[T]
    """Parts of the work, done in parallel."""
    work: Callable[..., list[Row]]
    """Makes the images of one task in the folder `images`, a keyword; it ends early where `stopped()`."""


def make_folder(
    config: SyntheticConfig, recipe: Mapping[str, Any], contents: Callable[[], Contents[T]], *, progress: bool
) -> Path:
    """Make a database in `config.output`, or find that it is there already; returns its CSV file.

    Args:
        config: the folder, which is new, empty, or that of the same recipe; and the number of processes.
        recipe: everything that determines the bytes of the database, but for the versions of libraries.
        contents: gives what is to be made; called only where something is.
        progress: show a progress bar.
    """
    folder = config.output.resolve()
    if holds(folder, recipe):
        return folder / LABELS
    with staging_dir(folder) as place:
        if not holds(folder, recipe):  # another process may have made it while this one waited
            _fill(place, contents(), config.num_workers, progress)
            manifest = {"recipe": recipe, "made with": _versions(), "labels_sha256": sha256_of(place / LABELS)}
            write_text(place / MANIFEST, json.dumps(manifest, indent=2) + "\n")
            place.replace(folder)
    return folder / LABELS


def write_image(path: Path, pixels: ByteImage) -> Path:
    """Write an image as PNG, atomically, and return its path."""
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, format="PNG")
    write_bytes(path, content.getvalue())
    return path


def stopped() -> bool:
    """In a worker: whether the parent wants no more images."""
    return _stop is not None and _stop.is_set()


def holds(folder: Path, recipe: Mapping[str, Any]) -> bool:
    """Return whether `folder` already is the database of `recipe`, whole; False where it does not exist or is empty.

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
def staging_dir(folder: Path) -> Iterator[Path]:
    """An empty hidden folder beside `folder`, in which the database is made and from which it is renamed.

    Only one process has it at a time; another one waits. It is removed at the end unless it was renamed, and what a
    killed process left in it is removed at the next start.
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
        wait_for_lock(descriptor, str(place))
        if _is(place, descriptor):
            return descriptor
        os.close(descriptor)  # its owner has renamed or removed it meanwhile


def _is(place: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(place.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _fill(place: Path, contents: Contents[T], num_workers: int | None, progress: bool) -> None:
    """Write images, labels and README."""
    images = place / IMAGES
    images.mkdir()
    with contextlib.closing(_carry_out(contents, images, num_workers)) as made:
        rows = sorted(track(made, "making images", total=contents.images, enabled=progress))
    lines = io.StringIO()
    csv.writer(lines, lineterminator="\n").writerows([contents.columns, *(cells for _, cells in rows)])
    write_text(place / LABELS, lines.getvalue())
    write_text(place / "README.txt", contents.readme)


def _carry_out(contents: Contents[T], images: Path, num_workers: int | None) -> Generator[Row]:
    """Rows of all tasks in their order; processes work ahead."""
    work = functools.partial(contents.work, images=images)
    workers = min(default_workers(num_workers), len(contents.tasks))
    if workers == 0:
        for task in contents.tasks:
            yield from work(task)
        return
    stop = process_context(__name__).Event()
    pool = start_processes(workers, _remember, stop, preloaded=__name__)
    try:
        for rows in pool.map(work, contents.tasks):
            yield from rows
    except BrokenProcessPool as cause:
        raise DataError(
            "a process that made images was killed, probably for lack of memory. Try again with fewer --num_workers."
        ) from cause
    finally:
        stop.set()
        pool.shutdown(cancel_futures=True)


def _remember(stop: Event) -> None:
    global _stop
    _stop = stop


def _versions() -> dict[str, str]:
    """Versions of the encoders, filters and random streams that the bytes also depend on."""
    packages = {
        name: importlib.metadata.version(name) for name in ("linearityiqa", "numpy", "scipy", "scikit-image", "Pillow")
    }
    codecs = {f"Pillow's {codec}": str(features.version(codec)) for codec in ("jpg", "jpg_2000", "zlib")}
    return {**packages, **codecs, "machine": platform.machine()}
