"""Read a finished cache."""

import logging
import os
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from linearityiqa.data.pixelcache.layout import CHANNELS, ENTRY, HEADER_BYTES, Header, Index, bytes_of, first_pixel
from linearityiqa.data.pixelcache.source import PixelSource
from linearityiqa.data.table import ImageTable

_log = logging.getLogger(__name__)


class UnusableCacheError(Exception):
    """Why a cache has to be made again, in words that follow its name."""


class PixelCache:
    """The file of a finished cache, open for reading.

    Read by position rather than mapped into memory, which is as fast: a file that is cut short, or a disk that fails,
    then costs an image and not the process. The CRC of an image is checked when a process first reads it. A copy that
    goes to another process opens the file anew.

    Args:
        path: the cache file.
        source: what it has to be made from.

    Raises:
        FileNotFoundError: there is none.
        UnusableCacheError: it is damaged, or images have changed since.
        OSError: it cannot be read.
    """

    def __init__(self, path: Path, source: PixelSource) -> None:
        self.path = path
        self.source = source
        self._descriptor: int | None = os.open(path, os.O_RDONLY)
        self._file = _identity(self._descriptor)
        self.index = _checked_index(self._descriptor, source)
        self._verified = bytearray(len(self.index))

    def of(self, table: ImageTable) -> "CachedImages":
        """The images of a table whose rows all are in the cached one, e.g. of a split of it."""
        rows = {name: row for row, name in enumerate(self.source.table.names)}
        return CachedImages(self, np.array([rows[name] for name in table.names], dtype=np.int64))

    def read(self, row: int) -> NDArray[np.uint8] | None:
        """The pixels of an image, uint8 (H, W, 3), or None where they are damaged or gone."""
        if self._descriptor is None:
            return None
        entry = self.index[row]
        pixels = np.empty((entry["height"], entry["width"], CHANNELS), dtype=np.uint8)
        try:
            count = os.preadv(self._descriptor, [pixels.data], int(entry["offset"]))
        except OSError:
            return None
        if count != pixels.nbytes or not (self._verified[row] or zlib.crc32(pixels.data) == entry["crc"]):
            return None
        self._verified[row] = 1
        return pixels

    def repair(self, row: int, pixels: NDArray[np.uint8]) -> None:
        """Put pixels that were decoded anew into the place of damaged ones, where they are what was there."""
        name = self.source.table.names[row]
        if zlib.crc32(pixels.data) != self.index["crc"][row]:
            _log.warning("%s has changed since it was put into %s; its new pixels are used", name, self.path)
            return
        _log.warning("the pixels of %s in %s were damaged; it has been decoded again", name, self.path)
        try:
            descriptor = os.open(self.path, os.O_WRONLY)
        except OSError:  # a cache that others own: read on as it is
            return
        try:
            if _identity(descriptor) == self._file:  # and not one that was made since
                os.pwrite(descriptor, pixels.data, int(self.index["offset"][row]))
        except OSError:
            _log.warning("%s cannot be mended", self.path)
        finally:
            os.close(descriptor)

    def close(self) -> None:
        """Close the file; from now on there are no pixels."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def __del__(self) -> None:
        if getattr(self, "_descriptor", None) is not None:
            self.close()

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_descriptor": None, "_verified": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__ = state | {"_verified": bytearray(len(state["index"]))}
        try:
            self._descriptor = os.open(self.path, os.O_RDONLY)
        except OSError:  # removed since: the images are decoded
            return
        if _identity(self._descriptor) != self._file:
            self.close()


class CachedImages:
    """Images of a cache, under the row numbers of a table of their own.

    Args:
        cache: the cache.
        rows: the cache's row of each image, shape (N,).
    """

    def __init__(self, cache: PixelCache, rows: NDArray[np.int64]) -> None:
        self.cache = cache
        self.rows = rows

    def sizes(self) -> list[tuple[int, int]]:
        """(height, width) of every image."""
        entries = self.cache.index[self.rows]
        return list(zip(entries["height"].tolist(), entries["width"].tolist(), strict=True))

    def read(self, index: int) -> NDArray[np.uint8] | None:
        """The pixels of an image, uint8 (H, W, 3), or None where it has to be decoded."""
        return self.cache.read(int(self.rows[index]))

    def repair(self, index: int, pixels: NDArray[np.uint8]) -> None:
        """Hand in what was decoded where `read` gave None."""
        self.cache.repair(int(self.rows[index]), pixels)


def read_index(descriptor: int, header: Header) -> Index:
    """The index that follows a header.

    Raises:
        ValueError: it is cut short.
    """
    content = os.pread(descriptor, header.images * ENTRY.itemsize, HEADER_BYTES)
    if len(content) != header.images * ENTRY.itemsize:
        raise ValueError("its index is cut short")
    return np.frombuffer(content, dtype=ENTRY)


def _checked_index(descriptor: int, source: PixelSource) -> Index:
    try:
        header = Header.from_bytes(os.pread(descriptor, HEADER_BYTES, 0))
        if header.key != source.key or header.images != len(source.table):
            raise ValueError("it is of other images")
        if os.fstat(descriptor).st_size != header.total_bytes:
            raise ValueError("it is cut short")
        index = read_index(descriptor, header)
        if zlib.crc32(index.data) != header.index_crc:
            raise ValueError("its index is damaged")
        ends = index["offset"] + bytes_of(index)
        if (index["offset"] < first_pixel(len(index))).any() or (ends > header.total_bytes).any():
            raise ValueError("its index is damaged")
    except ValueError as cause:
        raise UnusableCacheError(f"is damaged: {cause}") from cause
    changed = (index["file_bytes"] != source.files[:, 0]) | (index["file_time"] != source.files[:, 1])
    if changed.any():
        first = source.table.names[int(np.argmax(changed))]
        raise UnusableCacheError(
            f"is out of date: {changed.sum()} of {len(index)} image files changed since ({first}, ...)"
        )
    return index


def _identity(descriptor: int) -> tuple[int, int]:
    status = os.fstat(descriptor)
    return status.st_dev, status.st_ino
