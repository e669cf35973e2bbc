"""A set of very many paths in little memory."""

import hashlib

import numpy as np
from numpy.typing import NDArray

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
