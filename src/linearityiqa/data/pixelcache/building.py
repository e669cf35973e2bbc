"""Make a cache: decode every image once, in processes that write straight into its file."""

import contextlib
import errno
import os
import shutil
import zlib
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from linearityiqa.console import track
from linearityiqa.data.pixelcache.layout import ENTRY, HEADER_BYTES, Header, Index, in_words, new_index
from linearityiqa.data.pixelcache.reading import read_index
from linearityiqa.data.pixelcache.source import Decoding, PixelSource, decoded
from linearityiqa.data.processes import ahead, explained, start_processes
from linearityiqa.errors import DataError, UnreadableImageError
from linearityiqa.files import publish
from linearityiqa.images import ImageTransform, image_size

IMAGES_A_TASK = 8
IMAGES_WORTH_A_PROCESS = 64
"""So many images are decoded about as fast as a process starts."""
SPARE_BYTES = 1_000_000_000
"""What a cache leaves free on its disk (a smaller one, as much as it takes)."""
NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

T = TypeVar("T")
S = TypeVar("S")
Sizes = list[tuple[int, int]]
Heed = Callable[[], None]


class Place(NamedTuple):
    """An image file, and where its pixels go."""

    image: Path
    offset: int
    size: tuple[int, int]


def build(
    source: PixelSource,
    part: Path,
    path: Path,
    *,
    workers: int,
    progress: bool,
    heed: Heed,
    announce: Callable[[int, int], None],
) -> None:
    """Make the cache of `source`, going on with what an interrupted build has left.

    Args:
        source: the images.
        part: the file to work in; the caller makes sure that no other process does.
        path: what it becomes, when it is whole.
        workers: processes that decode; 0 decodes in this one.
        progress: show a progress bar on a terminal.
        heed: called again and again; what it raises ends the work.
        announce: told, before anything is decoded, how many images there are to decode, and the bytes of the file.

    Raises:
        UnreadableImageError: an image cannot be decoded; the message names it.
        DataError: there is too little space, or a process died.
        OSError: the file cannot be written.
    """
    each = partial(_each, workers=workers, heed=heed)
    descriptor = os.open(part, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        index, total = _plan(source, _left_behind(descriptor, source), each)
        _require_space(part, descriptor, total, len(index))
        pending = np.flatnonzero(index["done"] == 0)
        announce(len(pending), total)
        header = Header(source.key, len(index), total)
        _reserve(part, descriptor, total)
        os.pwrite(descriptor, header.to_bytes(), 0)
        os.pwrite(descriptor, index.tobytes(), HEADER_BYTES)
        finished = _decode(source, part, descriptor, index, pending, each)
        for _ in track(finished, "decoding images", total=len(pending), bar=progress, images=lambda _: 1):
            pass
        os.pwrite(descriptor, header._replace(index_crc=zlib.crc32(index.data)).to_bytes(), 0)
    finally:
        os.close(descriptor)
    publish(part, path)


def _left_behind(descriptor: int, source: PixelSource) -> Index | None:
    """The index of an interrupted build of the same images, or None."""
    try:
        header = Header.from_bytes(os.pread(descriptor, HEADER_BYTES, 0))
        same = header.key == source.key and header.images == len(source.table)
        return read_index(descriptor, header) if same else None
    except ValueError:
        return None


def _plan(source: PixelSource, left: Index | None, each: Callable[..., Iterator[Sizes]]) -> tuple[Index, int]:
    """The index, which says where every image goes and which are there already, and the bytes of the file."""
    files = source.files
    sizes = np.zeros((len(files), 2), dtype=np.int32)
    known = np.zeros(len(files), dtype=np.bool_)
    if left is not None:
        known = (left["file_bytes"] == files[:, 0]) & (left["file_time"] == files[:, 1])
        sizes[:, 0], sizes[:, 1] = left["height"], left["width"]
    if source.fixed_size is not None:
        sizes[:] = source.fixed_size
    else:
        unknown = np.flatnonzero(~known)
        paths = [source.table.path(int(row)) for row in unknown]
        native = partial(_native_sizes, transform=source.transform, decoding=source.decoding)
        sizes[unknown] = np.array([size for found in each(native, _tasks(paths)) for size in found]).reshape(-1, 2)
    index, total = new_index(sizes[:, 0], sizes[:, 1], files)
    if left is not None:
        kept = known & (left["done"] == 1)
        for field in ("offset", "height", "width"):
            kept &= left[field] == index[field]
        index["crc"][kept], index["done"][kept] = left["crc"][kept], 1
    return index, total


def _decode(
    source: PixelSource,
    part: Path,
    descriptor: int,
    index: Index,
    pending: NDArray[np.int64],
    each: Callable[..., Iterator[list[int]]],
) -> Iterator[int]:
    """Decode the pending images, and note each in the file's index when its pixels are there; gives their rows."""
    places = [
        Place(source.table.path(row), int(index["offset"][row]), (int(index["height"][row]), int(index["width"][row])))
        for row in pending.tolist()
    ]
    write = partial(_write_pixels, part=part, transform=source.transform, decoding=source.decoding)
    for rows, crcs in zip(_tasks(pending.tolist()), each(write, _tasks(places)), strict=True):
        index["crc"][rows], index["done"][rows] = crcs, 1
        first, last = rows[0], rows[-1]
        os.pwrite(descriptor, index[first : last + 1].tobytes(), HEADER_BYTES + first * ENTRY.itemsize)
        yield from rows


def _each(function: Callable[[T], S], tasks: Sequence[T], *, workers: int, heed: Heed) -> Iterator[S]:
    """`function` of each task, in order; in processes where there is enough to do."""
    processes = min(workers, len(tasks) * IMAGES_A_TASK // IMAGES_WORTH_A_PROCESS)
    if processes == 0:
        for task in tasks:
            heed()
            yield function(task)
        return
    pool = start_processes(processes)
    try:
        with explained():
            for result in ahead(pool, function, tasks, 2 * processes):
                heed()
                yield result
    finally:
        pool.shutdown(cancel_futures=True)


def _tasks(items: Sequence[T]) -> list[list[T]]:
    return [list(items[start : start + IMAGES_A_TASK]) for start in range(0, len(items), IMAGES_A_TASK)]


def _native_sizes(paths: list[Path], transform: ImageTransform, decoding: Decoding) -> Sizes:
    return [transform.output_size(image_size(path, exif_rotation=decoding.exif_rotation)) for path in paths]


def _write_pixels(places: list[Place], part: Path, transform: ImageTransform, decoding: Decoding) -> list[int]:
    """Decode images, put their pixels into the file, and give the CRC of each."""
    crcs = []
    descriptor = os.open(part, os.O_WRONLY)
    try:
        for place in places:
            pixels = decoded(place.image, transform, decoding)
            if pixels.shape[:2] != place.size:
                raise UnreadableImageError(f"{place.image} was changed while it was read. Start again.")
            if os.pwrite(descriptor, pixels.data, place.offset) != pixels.nbytes:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            crcs.append(zlib.crc32(pixels.data))
    finally:
        os.close(descriptor)
    return crcs


def _require_space(part: Path, descriptor: int, total: int, images: int) -> None:
    """Raise a `DataError` unless the file fits onto its disk with room to spare."""
    needed = max(0, total - os.fstat(descriptor).st_blocks * 512)
    spare = min(total, SPARE_BYTES)
    free = shutil.disk_usage(part.parent).free
    if needed + spare > free:
        raise DataError(
            f"the pixel cache of {images} images takes {in_words(total)}, but {part.parent} has {in_words(free)} free, "
            f"of which {in_words(spare)} must stay free. Free space, name another folder with --cache, or go without "
            "(--cache none)."
        )


def _reserve(part: Path, descriptor: int, total: int) -> None:
    """Take the space now, so that it is not the last image that finds the disk full."""
    os.ftruncate(descriptor, total)
    try:
        with contextlib.suppress(AttributeError):  # not on macOS
            os.posix_fallocate(descriptor, 0, total)
    except OSError as cause:
        if cause.errno in NO_SPACE:
            raise DataError(
                f"{part.parent} has no room for a pixel cache of {in_words(total)}: {cause.strerror}. Free space, "
                "name another folder with --cache, or go without (--cache none)."
            ) from cause
