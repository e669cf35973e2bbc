"""Decoded and resized images in a folder on disk, made once and read by every later run.

A cache belongs to a table of images and a transform, and serves every split of that table. Each image is an `.npy`
file, written atomically and named after the image, its bytes and its time of change: the names alone tell what is up to
date, and an interrupted run leaves all that it has decoded to the next.
"""

import contextlib
import hashlib
import json
import logging
import os
import re
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import PIL
from numpy.lib import format as npy
from numpy.typing import NDArray
from PIL import features

from linearityiqa.config import DataConfig
from linearityiqa.console import track
from linearityiqa.data.databases.table import ImageTable
from linearityiqa.errors import DataError
from linearityiqa.files import atomic_path, wait_for_lock
from linearityiqa.images import ImageTransform, decode, image_size
from linearityiqa.machine import each_in_processes

DECODING = 1
"""To be raised whenever `images.decode` or `ImageTransform.pixels` gives other pixels than before."""
DECODERS = ("jpg", "webp", "jpg_2000", "avif", "libtiff")
"""Libraries behind Pillow that decode with loss, so that their versions may differ in the pixels."""
LOCK = ".lock"
LOADER = "linearityiqa.data.loading.loader"
"""Module that worker processes import once for all: it reads the cache afterwards."""
SPARE_BYTES = 1_000_000_000
"""Bytes that a cache leaves free on its disk (a smaller one leaves as many as it takes)."""

_log = logging.getLogger(__name__)


class Decoding(NamedTuple):
    """Metadata of image files that are applied to their pixels."""

    exif_rotation: bool = False
    """Turn images upright by their EXIF orientation."""
    colour_profile: bool = False
    """Bring the colours of embedded ICC profiles to sRGB."""

    @classmethod
    def of(cls, config: DataConfig) -> "Decoding":
        """Return the options of a database."""
        return cls(config.exif_rotation, config.colour_profile)


def decoded(path: Path, transform: ImageTransform, decoding: Decoding) -> NDArray[np.uint8]:
    """Return the pixels of an image file after the transform, 8-bit RGB, shape (H, W, 3).

    Raises:
        UnreadableImageError: it cannot be decoded; the message names it.
    """
    image, _, native = decode(path, **decoding._asdict(), enough=transform.enough)
    return np.array(transform.pixels(image, native))


def sizes_by_header(paths: Iterable[Path], transform: ImageTransform, decoding: Decoding) -> Iterator[tuple[int, int]]:
    """Yield the (height, width) that each image will have after the transform."""
    for path in paths:
        native = image_size(path, exif_rotation=decoding.exif_rotation, enough=transform.enough)
        yield transform.output_size(native)


class PixelSource(NamedTuple):
    """The images of a whole table, decoded and transformed, before any augmentation."""

    table: ImageTable
    transform: ImageTransform
    decoding: Decoding = Decoding()

    @property
    def folder_name(self) -> str:
        """Name of the cache's folder: the image folder for people, and a digest of all that the pixels depend on."""
        root = os.path.realpath(self.table.root)
        facts = {
            "decoding": DECODING,
            "Pillow": PIL.__version__,
            **{name: features.version(name) for name in DECODERS},
            "folder": root,
            **asdict(self.transform),
            **self.decoding._asdict(),
        }
        digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
        for name in self.table.names:
            digest.update(b"\0" + name.encode("utf-8", "surrogatepass"))
        readable = re.sub(r"[^A-Za-z0-9_.-]+", "_", "-".join(Path(root).parts[-2:]))[:60]
        return f"{readable}-{digest.hexdigest()[:16]}"

    def file_of(self, name: str) -> str:
        """Return the name of an image's cached file: a digest of its name, number of bytes and time of change."""
        try:
            status = os.stat(os.path.join(self.table.root, name))  # noqa: PTH116, PTH118 - ten times faster
            state = f"{status.st_size} {status.st_mtime_ns}"
        except OSError:
            state = "missing"  # decoding it will raise the error
        return hashlib.sha256(f"{name}\0{state}".encode("utf-8", "surrogatepass")).hexdigest()[:32] + ".npy"


class PixelCache:
    """The cached images of a source, as it was when the cache was opened; a file cut short or gone is made again."""

    def __init__(self, folder: Path, source: PixelSource) -> None:
        self.folder = folder
        self.source = source
        self.files = {name: source.file_of(name) for name in source.table.names}

    def missing(self) -> list[str]:
        """Look into the folder, and return the images without a file that is up to date."""
        present = set(os.listdir(self.folder)) if self.folder.exists() else set()  # noqa: PTH208 - the names alone
        return [name for name, file in self.files.items() if file not in present]

    def size(self, name: str) -> tuple[int, int]:
        """Return the (height, width) of an image."""
        height, width = self.source.transform.fixed_size or self.pixels(name).shape[:2]
        return height, width

    def pixels(self, name: str) -> NDArray[np.uint8]:
        """Return the pixels of an image, uint8 (H, W, 3); raises as `decoded` where they must be decoded again."""
        path = self.folder / self.files[name]
        try:
            # mapped copy-on-write, because torch warns of arrays that it may not write to
            return np.asarray(npy.open_memmap(path, mode="c"))
        except OSError:  # it was removed, perhaps to make room
            is_short = False
        except ValueError:
            is_short = True
        source = self.source
        pixels = decoded(source.table.root / name, source.transform, source.decoding)
        if is_short and source.file_of(name) == path.name:  # else the image has changed meanwhile
            _log.warning("the pixels of %s in %s were damaged; it has been decoded again", name, self.folder)
            with contextlib.suppress(OSError):  # it belongs to others: decoded each time
                _write(path, pixels)
        return pixels


def cache_folder(option: str) -> Path | None:
    """Return the folder that the option `--cache` means; None for no cache.

    `auto` is the user's cache folder: $XDG_CACHE_HOME/linearityiqa, by default ~/.cache/linearityiqa.
    """
    if option == "none":
        return None
    if option != "auto":
        return Path(option).expanduser()
    home = os.environ.get("XDG_CACHE_HOME", "")
    base = Path(home) if os.path.isabs(home) else Path.home() / ".cache"  # noqa: PTH117 - the standard ignores others
    return base / "linearityiqa"


def open_cache(source: PixelSource, folder: Path, *, workers: int, progress: bool = False) -> PixelCache:
    """Return the cache of `source` in `folder`; images that it lacks are decoded first.

    Of several processes that want the same cache one makes it, and the others wait. If it is stopped or dies, another
    one resumes with the images that are there.

    Raises:
        DataError: an image cannot be decoded, there is too little space, the folder cannot be written, or a process
            that decodes died.
    """
    cache = PixelCache(folder / source.folder_name, source)
    try:
        if cache.missing():
            cache.folder.mkdir(parents=True, exist_ok=True)
            with (cache.folder / LOCK).open("a") as lock:
                wait_for_lock(lock.fileno(), f"the pixel cache {cache.folder}")
                if names := cache.missing():  # others may have made some meanwhile
                    _fill(cache, names, workers, progress)
    except OSError as cause:
        raise DataError(
            f"cannot use the pixel cache {cache.folder}: {cause}. Mend its folder, name another with --cache, or go "
            "without (--cache none)."
        ) from cause
    return cache


def _fill(cache: PixelCache, names: list[str], workers: int, progress: bool) -> None:
    """Decode images into the cache, where there is enough space."""
    table, transform, decoding = cache.source
    files = [(table.root / name, cache.folder / cache.files[name]) for name in names]
    fixed = transform.fixed_size
    sizes = [fixed] * len(files) if fixed else sizes_by_header((path for path, _ in files), transform, decoding)
    total = sum(3 * height * width for height, width in sizes)
    free, spare = shutil.disk_usage(cache.folder).free, min(total, SPARE_BYTES)
    if total + spare > free:
        raise DataError(
            f"the pixel cache of {len(files)} images takes {_mb(total)}, but {cache.folder} has {_mb(free)} free, of "
            f"which {_mb(spare)} must stay free. Free space, name another folder with --cache, or go without (--cache "
            "none)."
        )
    _log.info(
        f"decoding {len(files)} of {len(table)} images, new or changed, into the pixel cache {cache.folder} "
        f"({_mb(total)}), which later runs on these images start from; delete it when they are done"
    )
    work = partial(_decode_into, transform=transform, decoding=decoding)
    done = each_in_processes(work, files, workers, preloaded=LOADER)
    for _ in track(done, "decoding images", total=len(files), bar=progress, images=lambda _: 1):
        pass


def _decode_into(files: Sequence[tuple[Path, Path]], transform: ImageTransform, decoding: Decoding) -> list[Path]:
    return [_write(file, decoded(path, transform, decoding)) for path, file in files]


def _write(file: Path, pixels: NDArray[np.uint8]) -> Path:
    # not synced, which takes longer than decoding: a file that a crash of the machine leaves short is made again
    with atomic_path(file, sync=False) as temporary, temporary.open("wb") as stream:
        npy.write_array(stream, pixels, allow_pickle=False)
    return file


def _mb(count: int) -> str:
    return f"{count / 1e6:,.1f} MB"
