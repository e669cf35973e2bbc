"""Decoded and resized images in a folder on disk, made once and read by every later run.

A cache belongs to a table of images and a transform, and serves every split of that table. Each image is a file of its
own, written whole or not at all, and named after the image, its bytes and its time of change: the names in the folder
alone tell what is there and up to date, and what an interrupted run has decoded is of use to the next.
"""

import contextlib
import logging
import math
import os
import shutil
import time
import zlib
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from linearityiqa.console import track
from linearityiqa.data.loading.pixels import Decoding, PixelSource, decoded
from linearityiqa.data.loading.processes import each_in_processes
from linearityiqa.errors import DataError
from linearityiqa.files import try_lock
from linearityiqa.images import ImageTransform, image_size

CRC_BYTES = 4
"""A file is rows of 8-bit RGB and the CRC-32 of them; its name ends in the image's height and width."""
LOCK = ".lock"
SPARE_BYTES = 1_000_000_000
"""What a cache leaves free on its disk (a smaller one, as much as it takes)."""
SECONDS_BETWEEN_LOOKS = 0.2
ABANDONED_DAYS = 7
"""Half-written files, and those of images that have changed, are removed after so long: a run may still read them."""

_log = logging.getLogger(__name__)

Image = tuple[Path, str]
"""An image file, and the digest that its cached file is called after."""


class PixelCache:
    """The cached images of a source; one that is damaged or gone is decoded, and put back.

    Read whole rather than mapped into memory, which is as fast: a file that is cut short, or a disk that fails, then
    costs an image and not the process. The CRC of an image is checked when a process first reads it.

    Args:
        folder: where the files are.
        source: what they are made from, as it was when the cache was opened.
    """

    def __init__(self, folder: Path, source: PixelSource) -> None:
        self.folder = folder
        self.source = source
        self.digests = {name: source.digest_of(name) for name in source.table.names}
        self.files: dict[str, str] = {}
        self._verified: set[str] = set()
        self._writable = True

    def missing(self) -> list[str]:
        """Look into the folder; gives the images without a file that is up to date."""
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
        """The pixels of an image, uint8 (H, W, 3).

        Raises:
            UnreadableImageError: the cached file is damaged or gone, and the image cannot be decoded.
        """
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
        pixels = self.source.decode(name)
        if self.source.digest_of(name) != self.digests[name]:
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

    Of several processes that want the same cache one makes it, and the others wait. Where the one that makes it is
    stopped or dies, another goes on with what is there.

    Args:
        source: the images.
        folder: where caches are kept.
        workers: processes that decode images; 0 decodes in this one.
        progress: show a progress bar on a terminal.

    Raises:
        UnreadableImageError: an image cannot be decoded; the message names it.
        DataError: there is too little space, the folder cannot be written, or a process that decodes died.
    """
    cache = PixelCache(folder / source.folder_name, source)
    try:
        if cache.missing():
            cache.folder.mkdir(parents=True, exist_ok=True)
            with _alone(cache.folder):
                names = cache.missing()  # others may have made some meanwhile
                if names:
                    _remove_abandoned(cache)
                    _fill(cache, names, workers, progress)
                    cache.missing()
    except OSError as cause:
        raise DataError(
            f"cannot use the pixel cache {cache.folder}: {cause}. Mend its folder, name another with --cache, or go "
            "without (--cache none)."
        ) from cause
    return cache


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Wait until no other process fills this cache, and keep them out, where the file system has locks."""
    descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        if try_lock(descriptor) is False:
            _log.info("another process is making the pixel cache %s; waiting for it", folder)
            while try_lock(descriptor) is False:
                time.sleep(SECONDS_BETWEEN_LOOKS)
        yield
    finally:
        os.close(descriptor)


def _remove_abandoned(cache: PixelCache) -> None:
    """Remove old files that are of no use any more, and the files in which earlier versions kept this cache."""
    oldest = time.time() - ABANDONED_DAYS * 24 * 3600
    with contextlib.suppress(OSError):  # they belong to others, or are gone already
        for file in set(os.listdir(cache.folder)) - {*cache.files.values(), LOCK}:  # noqa: PTH208 - as above
            path = cache.folder / file
            if path.stat().st_mtime < oldest:
                path.unlink()
        for suffix in (".pixels", ".part", ".lock"):
            Path(f"{cache.folder}{suffix}").unlink(missing_ok=True)


def _fill(cache: PixelCache, names: list[str], workers: int, progress: bool) -> None:
    """Decode images into the cache."""
    source, size = cache.source, cache.source.transform.fixed_size
    images = [(source.table.root / name, cache.digests[name]) for name in names]
    settings = (source.transform, source.decoding)
    fixed = None if size is None else [size] * len(images)
    sizes = fixed or each_in_processes(partial(_sizes, *settings), images, workers)
    total = sum(3 * height * width for height, width in sizes)
    free, spare = shutil.disk_usage(cache.folder).free, min(total, SPARE_BYTES)
    if total + spare > free:
        raise DataError(
            f"the pixel cache of {len(images)} images takes {_mb(total)}, but {cache.folder} has {_mb(free)} free, of "
            f"which {_mb(spare)} must stay free. Free space, name another folder with --cache, or go without (--cache "
            "none)."
        )
    _log.info(
        "decoding %d of %d images, new or changed, into the pixel cache %s (%s), which later runs on these images "
        "start from; delete it when they are done",
        len(images),
        len(source.table),
        cache.folder,
        _mb(total),
    )
    done = each_in_processes(partial(_decode_into, cache.folder, *settings), images, workers)
    for _ in track(done, "decoding images", total=len(images), bar=progress, images=lambda _: 1):
        pass


def _sizes(transform: ImageTransform, decoding: Decoding, images: Sequence[Image]) -> list[tuple[int, int]]:
    return [transform.output_size(image_size(path, exif_rotation=decoding.exif_rotation)) for path, _ in images]


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
