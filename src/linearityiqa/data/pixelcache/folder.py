"""The folder of the caches: find one there, or let one process make it while the others wait."""

import contextlib
import logging
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from linearityiqa.data.pixelcache.building import Heed, build
from linearityiqa.data.pixelcache.layout import in_words
from linearityiqa.data.pixelcache.reading import PixelCache, UnusableCacheError
from linearityiqa.data.pixelcache.source import PixelSource
from linearityiqa.errors import DataError
from linearityiqa.files import try_lock

SECONDS_BETWEEN_LOOKS = 0.2
ABANDONED_DAYS = 7
"""A half-made cache that nobody has worked on for so long is removed."""

_log = logging.getLogger(__name__)


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


def open_cache(
    source: PixelSource,
    folder: Path,
    *,
    workers: int,
    progress: bool = False,
    heed: Heed = lambda: None,
) -> PixelCache:
    """The cache of `source` in `folder`; made first where it is not there, damaged or out of date.

    Of several processes that want the same cache one makes it, and the others wait. Where the one that makes it dies,
    another goes on with what is there.

    Args:
        source: the images.
        folder: where caches are kept.
        workers: processes that decode images.
        progress: show a progress bar on a terminal.
        heed: called again and again while images are decoded or another process is waited for; what it raises ends
            this call, and a later one goes on.

    Raises:
        UnreadableImageError: an image cannot be decoded; the message names it.
        DataError: there is too little space, the folder cannot be written, or a process that decodes died.
    """
    path = folder / source.file_name
    try:
        with contextlib.suppress(FileNotFoundError, UnusableCacheError):
            return PixelCache(path, source)
        folder.mkdir(parents=True, exist_ok=True)
        with _alone(path, heed) as locked:
            if not _is_usable(path, source):  # where another process has not made it meanwhile
                _remove_abandoned(folder)
                part = path.with_suffix(".part" if locked else f".{os.getpid()}.part")
                announce = _announcement(path)
                build(source, part, path, workers=workers, progress=progress, heed=heed, announce=announce)
            return PixelCache(path, source)
    except (OSError, UnusableCacheError) as cause:
        raise DataError(
            f"cannot use the pixel cache {path}: {cause}. Mend its folder, name another with --cache, or go without "
            "(--cache none)."
        ) from cause


def _is_usable(path: Path, source: PixelSource) -> bool:
    """Whether the cache is there; one that is of no use any more is removed, and that is said."""
    try:
        PixelCache(path, source).close()
    except FileNotFoundError:
        return False
    except UnusableCacheError as reason:
        _log.warning("the pixel cache %s %s; it is made again", path, reason)
        path.unlink(missing_ok=True)
        return False
    return True


@contextlib.contextmanager
def _alone(path: Path, heed: Heed) -> Iterator[bool]:
    """Wait until no other process makes this cache, and keep them out; false where the file system has no locks."""
    descriptor = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o666)
    try:
        held = try_lock(descriptor)
        if held is False:
            _log.info("another process is making the pixel cache %s; waiting for it", path)
        while held is False:
            heed()
            time.sleep(SECONDS_BETWEEN_LOOKS)
            held = try_lock(descriptor)
        yield held is True
    finally:
        os.close(descriptor)


def _announcement(path: Path) -> Callable[[int, int], None]:
    def announce(images: int, total_bytes: int) -> None:
        _log.info(
            "decoding %d images into the pixel cache %s (%s), which later runs on these images start from; delete "
            "it when they are done",
            images,
            path,
            in_words(total_bytes),
        )

    return announce


def _remove_abandoned(folder: Path) -> None:
    """Remove half-made caches that nobody has touched for days."""
    oldest = time.time() - ABANDONED_DAYS * 24 * 3600
    for part in folder.glob("*.part"):
        with contextlib.suppress(OSError):  # of others, or gone already
            if part.stat().st_mtime < oldest:
                part.unlink()
                _log.info("removed %s, which nobody has finished for %d days", part, ABANDONED_DAYS)
