"""What every output of scores has in common: which images have a row, and how many have no score."""

import contextlib
import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from linearityiqa.errors import OutputError
from linearityiqa.scoring.results import ImageScore

_RECENT = 1 << 16


class PathSet:
    """Paths by 64-bit digests: 8 bytes each, beside a small set of the most recent ones.

    Two of ten million paths share a digest with a probability of 3 in a million; the second would be taken for known.

    >>> seen = PathSet()
    >>> seen.add("a.jpg"), seen.add("b.jpg"), seen.add("a.jpg")
    (True, True, False)
    """

    def __init__(self) -> None:
        self._sorted: NDArray[np.uint64] = np.empty(0, dtype=np.uint64)
        self._recent: set[int] = set()

    def __len__(self) -> int:
        return len(self._sorted) + len(self._recent)

    def add(self, path: str) -> bool:
        """Add a path; whether it was new."""
        key = int.from_bytes(hashlib.blake2b(path.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")
        if key in self._recent:
            return False
        place = int(np.searchsorted(self._sorted, np.uint64(key)))
        if place < len(self._sorted) and int(self._sorted[place]) == key:
            return False
        self._recent.add(key)
        if len(self._recent) >= _RECENT:
            recent = np.fromiter(self._recent, dtype=np.uint64, count=len(self._recent))
            self._sorted = np.sort(np.concatenate([self._sorted, recent]))
            self._recent.clear()
        return True


class Output(ABC):
    """Rows of scores, one for each image.

    Attributes:
        total: number of rows, those of earlier runs included.
        failed: how many of them have no score.
    """

    def __init__(self) -> None:
        self.total = 0
        self.failed = 0
        self._seen = PathSet()

    def take(self, path: str) -> bool:
        """Whether an image has no row yet; each path is taken once."""
        return self._seen.add(path)

    @abstractmethod
    def write(self, result: ImageScore) -> None:
        """Append the row of an image.

        Raises:
            OutputError: the disk is full or fails; what was appended before stays.
        """

    @abstractmethod
    def close(self) -> None:
        """Bring all rows to the disk.

        Raises:
            OutputError: the disk is full or fails.
        """

    def _count(self, *, failed: bool) -> None:
        self.total += 1
        self.failed += failed


@contextlib.contextmanager
def translate_errors(path: Path) -> Iterator[None]:
    """Turn what the system says about the output `path` into a sentence."""
    try:
        yield
    except OSError as cause:
        raise OutputError(
            f"cannot write {path}: {cause.strerror or cause}. Rows written before are safe; make room, or check the "
            "permissions, and give the same command again: it goes on where it stopped."
        ) from cause
