"""Decoded and resized images in a folder on disk, made once and read by every later run.

A cache belongs to a table of images and a transform, and serves every split of that table. Each image is a file of its
own, written whole or not at all, and named after the image, its bytes and its time of change: the names alone tell what
is up to date, and what an interrupted run has decoded is of use to the next.
"""

import contextlib
import hashlib
import json
import logging
import math
import os
import re
import shutil
import time
import zlib
from collections.abc import Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import PIL
from numpy.typing import NDArray
from PIL import features

from linearityiqa.config import DataConfig
from linearityiqa.console import track
from linearityiqa.data.databases.table import ImageTable
from linearityiqa.errors import DataError
from linearityiqa.files import wait_for_lock
from linearityiqa.images import ImageTransform, decode, image_size
from linearityiqa.machine import each_in_processes

DECODING = 1
"""To be raised whenever `images.decode` or `ImageTransform.pixels` gives other pixels than before."""
DECODERS = ("jpg", "webp", "jpg_2000", "avif", "libtiff")
"""Libraries behind Pillow that decode with loss, so that their versions may differ in the pixels."""
CRC_BYTES = 4
"""A file is rows of 8-bit RGB and the CRC-32 of them; its name ends in the image's height and width."""
LOCK = ".lock"
LOADER = "linearityiqa.data.loading.loader"
"""Module that worker processes load once for all: what reads the cache afterwards."""
SPARE_BYTES = 1_000_000_000
"""Bytes that a cache leaves free on its disk (a smaller one, as many as it takes)."""
ABANDONED_DAYS = 7
"""Half-written files, and those of images that have changed, are removed after so long: a run may still read them."""

_log = logging.getLogger(__name__)

Image = tuple[Path, str]
"""An image file, and the digest that its cached file is called after."""


class Decoding(NamedTuple):
    """Metadata of image files that are applied to their pixels."""

    exif_rotation: bool = False
    """Turn images upright by their EXIF orientation."""
    colour_profile: bool = False
    """Bring the colours of embedded ICC profiles to sRGB."""

    @classmethod
    def of(cls, config: DataConfig) -> "Decoding":
        """The options of a database."""
        return cls(config.exif_rotation, config.colour_profile)


def decoded(path: Path, transform: ImageTransform, decoding: Decoding) -> NDArray[np.uint8]:
    """The pixels of an image file after the transform, 8-bit RGB, shape (H, W, 3).

    Raises:
        UnreadableImageError: it cannot be decoded; the message names it.
    """
    image, _, native = decode(path, **decoding._asdict(), enough=transform.enough)
    return np.array(transform.pixels(image, native))


class PixelSource:
    """The images of a whole table, decoded and transformed, before any augmentation."""

    def __init__(self, table: ImageTable, transform: ImageTransform, decoding: Decoding = Decoding()) -> None:  # noqa: B008 - immutable
        self.table = table
        self.transform = transform
        self.decoding = decoding

    @cached_property
    def folder_name(self) -> str:
        """Name of the cache's folder: the image folder for people, and a digest of all that the pixels depend on."""
        root = os.path.realpath(self.table.root)
        facts = {
            "decoding": DECODING,
            "Pillow": PIL.__version__,
            **{name: features.version(name) for name in DECODERS},
            "folder": root,
            "size": self.transform.size,
            "common_size": self.transform.common_size,
            "exif_rotation": self.decoding.exif_rotation,
            **({"colour_profile": True} if self.decoding.colour_profile else {}),
            **({} if self.transform.mode == "stretch" else {"mode": self.transform.mode}),
            **({"reduced": True} if self.transform.reduced else {}),
        }
        digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
        for name in self.table.names:
            digest.update(b"\0" + name.encode("utf-8", "surrogatepass"))
        readable = re.sub(r"[^A-Za-z0-9_.-]+", "_", "-".join(Path(root).parts[-2:]))[:60]
        return f"{readable}-{digest.hexdigest()[:16]}"

    def digest_of(self, name: str) -> str:
        """Name of an image's cached file: a digest of its name, its number of bytes and its time of change."""
        try:
            status = os.stat(os.path.join(self.table.root, name))  # noqa: PTH116, PTH118 - ten times faster
            state = f"{status.st_size} {status.st_mtime_ns}"
        except OSError:
            state = "missing"  # decoding it will say what is wrong
        return hashlib.sha256(f"{name}\0{state}".encode("utf-8", "surrogatepass")).hexdigest()[:32]


class PixelCache:
    """The cached images of a source, as it was when the cache was opened; one that is damaged or gone is decoded again.

    Files are read whole rather than mapped into memory, which is as fast: one that is cut short, or a disk that fails,
    then costs an image and not the process. The CRC of an image is checked when a process first reads it.
    """

    def __init__(self, folder: Path, source: PixelSource) -> None:
        self.folder = folder
        self.source = source
        self.digests = {name: source.digest_of(name) for name in source.table.names}
        self.files: dict[str, str] = {}
        self._verified: set[str] = set()
        self._writable = True

    def missing(self) -> list[str]:
        """Look into the folder, and return the images without a file that is up to date."""
        try:
            present = {file.partition(".")[0]: file for file in os.listdir(self.folder)}  # noqa: PTH208 - the names alone
        except FileNotFoundError:
            present = {}
        self.files = {name: present[digest] for name, digest in self.digests.items() if digest in present}
        return [name for name in self.digests if name not in self.files]

    def size(self, name: str) -> tuple[int, int]:
        """(height, width) of an image."""
        height, width = self.files[name].partition(".")[2].split("x")
        return int(height), int(width)

    def pixels(self, name: str) -> NDArray[np.uint8]:
        """The pixels of an image, uint8 (H, W, 3); raises as `decoded` where they must be decoded again."""
        try:
            size = self.size(name)
            content = np.empty(3 * math.prod(size) + CRC_BYTES, np.uint8)
            with open(os.path.join(self.folder, self.files[name]), "rb", buffering=0) as stream:  # noqa: PTH118, PTH123 - as above
                count = stream.readinto(content.data)
            pixels = content[:-CRC_BYTES].reshape(*size, 3)
            if count == len(content) and (name in self._verified or _crc(pixels) == content[-CRC_BYTES:].tobytes()):
                self._verified.add(name)
                return pixels
        except (OSError, KeyError):  # gone
            pass
        return self._decode_again(name)

    def _decode_again(self, name: str) -> NDArray[np.uint8]:
        source = self.source
        pixels = decoded(source.table.root / name, source.transform, source.decoding)
        if source.digest_of(name) != self.digests[name]:
            _log.warning("%s has changed since it was put into %s; its new pixels are used", name, self.folder)
        elif self._writable:
            try:
                _write(self.folder, self.digests[name], pixels)
                _log.warning("the pixels of %s in %s were damaged; it has been decoded again", name, self.folder)
            except OSError as cause:  # it belongs to others, or has been removed
                _log.warning("%s cannot be mended (%s): what it lacks is decoded each time", self.folder, cause)
                self._writable = False
        return pixels


def cache_folder(option: str) -> Path | None:
    """The folder that the option `--cache` means; None where there is to be no cache.

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
    """The cache of `source` in `folder`; images that it lacks are decoded first.

    Of several processes that want the same cache one makes it, and the others wait. If it is stopped or dies, another
    one resumes with what is there.

    Args:
        source: the images.
        folder: where caches are kept.
        workers: processes that decode; 0 decodes in this one.
        progress: show a progress bar.

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
                    _remove_abandoned(cache)
                    _fill(cache, names, workers, progress)
                    cache.missing()
    except OSError as cause:
        raise DataError(
            f"cannot use the pixel cache {cache.folder}: {cause}. Mend its folder, name another with --cache, or go "
            "without (--cache none)."
        ) from cause
    return cache


def _remove_abandoned(cache: PixelCache) -> None:
    """Remove old files of no further use, and the files in which earlier versions kept this cache."""
    oldest = time.time() - ABANDONED_DAYS * 24 * 3600
    with contextlib.suppress(OSError):  # they belong to others, or are gone already
        for file in set(os.listdir(cache.folder)) - {*cache.files.values(), LOCK}:  # noqa: PTH208 - as above
            path = cache.folder / file
            if path.stat().st_mtime < oldest:
                path.unlink()
        for suffix in (".pixels", ".part", ".lock"):
            Path(f"{cache.folder}{suffix}").unlink(missing_ok=True)


def _fill(cache: PixelCache, names: list[str], workers: int, progress: bool) -> None:
    """Decode images into the cache, where there is enough space."""
    source, size = cache.source, cache.source.transform.fixed_size
    images = [(source.table.root / name, cache.digests[name]) for name in names]
    settings = (source.transform, source.decoding)
    in_processes = partial(each_in_processes, items=images, workers=workers, preloaded=LOADER)
    sizes = [size] * len(images) if size else in_processes(partial(_sizes, *settings))
    total = sum(3 * height * width for height, width in sizes)
    free, spare = shutil.disk_usage(cache.folder).free, min(total, SPARE_BYTES)
    if total + spare > free:
        raise DataError(
            f"the pixel cache of {len(images)} images takes {_mb(total)}, but {cache.folder} has {_mb(free)} free, of "
            f"which {_mb(spare)} must stay free. Free space, name another folder with --cache, or go without (--cache "
            "none)."
        )
    _log.info(
        f"decoding {len(images)} of {len(source.table)} images, new or changed, into the pixel cache {cache.folder} "
        f"({_mb(total)}), which later runs on these images start from; delete it when they are done"
    )
    done = in_processes(partial(_decode_into, cache.folder, *settings))
    for _ in track(done, "decoding images", total=len(images), bar=progress, images=lambda _: 1):
        pass


def _sizes(transform: ImageTransform, decoding: Decoding, images: Sequence[Image]) -> list[tuple[int, int]]:
    native = partial(image_size, exif_rotation=decoding.exif_rotation, enough=transform.enough)
    return [transform.output_size(native(path)) for path, _ in images]


def _decode_into(folder: Path, transform: ImageTransform, decoding: Decoding, images: Sequence[Image]) -> list[Path]:
    return [_write(folder, digest, decoded(path, transform, decoding)) for path, digest in images]


def _write(folder: Path, digest: str, pixels: NDArray[np.uint8]) -> Path:
    """Write the file of an image whole or not at all.

    It is not synced to disk: what a crash of the machine leaves of it has a wrong CRC.
    """
    height, width, _ = pixels.shape
    file = folder / f"{digest}.{height}x{width}"
    part = folder / f".{digest}.{os.getpid()}.part"
    try:
        with part.open("wb") as stream:
            stream.writelines((pixels.data, _crc(pixels)))
        return part.replace(file)
    finally:
        part.unlink(missing_ok=True)


def _crc(pixels: NDArray[np.uint8]) -> bytes:
    """The last bytes of an image's file."""
    return zlib.crc32(pixels.data).to_bytes(CRC_BYTES, "little")


def _mb(count: int) -> str:
    return f"{count / 1e6:,.1f} MB"
