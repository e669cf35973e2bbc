"""All pairs of near-duplicates among many pictures, and the groups that chains of pairs make."""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from linearityiqa.data.checks.neardup.registration import similarity
from linearityiqa.data.checks.neardup.signatures import LENGTH, mirrored, signatures


class Groups:
    """Disjoint sets of the numbers 0 to count - 1, each alone at first (union-find with path halving).

    >>> groups = Groups(4)
    >>> groups.join(0, 2), groups.join(2, 3), groups.join(3, 0)
    (True, True, False)
    >>> groups.members()
    [[0, 2, 3]]
    """

    def __init__(self, count: int) -> None:
        self._parent = np.arange(count)

    def root(self, item: int) -> int:
        """The number that stands for the group of `item`."""
        parent = self._parent
        while parent[item] != item:
            parent[item] = parent[parent[item]]
            item = int(parent[item])
        return item

    def joined(self, first: int, second: int) -> bool:
        """Whether two numbers are in one group."""
        return self.root(first) == self.root(second)

    def join(self, first: int, second: int) -> bool:
        """Put two numbers into one group; False where they were already."""
        a, b = sorted((self.root(first), self.root(second)))
        self._parent[b] = a
        return a != b

    def members(self) -> list[list[int]]:
        """The groups of more than one, each ascending, in the order of their first members."""
        found: dict[int, list[int]] = {}
        for item in range(len(self._parent)):
            found.setdefault(self.root(item), []).append(item)
        return [group for group in found.values() if len(group) > 1]


LIKELY = 0.65
"""Scalar product of two signatures from which on the pictures are compared."""
SAME = 0.8
"""Similarity from which on two pictures count as near-duplicates.

Among 4.5 million pairs of a photograph and the mirror image of another one (3,000 of BIQ2021) the highest was 0.60.
"""
MOST_CANDIDATES = 200_000
"""Most pairs that are compared; beyond, only the likeliest are, and the result says so."""

Watch = Callable[[Iterable[int], str, int], Iterable[int]]
"""Hands on the parts of the work, given its description and their number; for a progress bar."""

_BLOCK = 2048
_BATCH = 128


class Link(NamedTuple):
    """Two pictures (their numbers) that show the same, how alike they are, and whether one is mirrored."""

    first: int
    second: int
    similarity: float
    mirrored: bool


class Candidates(NamedTuple):
    """Likely pairs, the likeliest first; `cut` says that there were too many."""

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    mirrored: NDArray[np.bool_]
    cut: bool


class NearDuplicates(NamedTuple):
    """Links that join every group of near-duplicates (a tree each), and whether the search had to be cut short."""

    links: list[Link]
    cut: bool


def find_near_duplicates(
    thumbnails: NDArray[np.uint8],
    related: NDArray[np.int64],
    numbers: NDArray[np.int64] | None = None,
    watch: Watch = lambda parts, *_: parts,
) -> NearDuplicates:
    """Find the pictures that show the same: recompressed, resized, cropped, brightened, mirrored, or shot again.

    Pairs that are in one group already are not compared, so that a group of many costs as many comparisons.

    Args:
        thumbnails: uint8, shape (N, 64, 64); read in parts, so it may be a file mapped into memory.
        related: a number for each; pictures of the same number are known to be related, and not compared.
        numbers: which of the pictures are looked at, ascending; by default all.
        watch: sees the parts of the work go by.
    """
    numbers = np.arange(len(thumbnails)) if numbers is None else numbers
    vectors = np.empty((len(numbers), LENGTH), dtype=np.float32)
    for start in range(0, len(numbers), _BLOCK):
        vectors[start : start + _BLOCK] = signatures(thumbnails[numbers[start : start + _BLOCK]])
    likely = _likely_pairs(vectors, related[numbers], watch)
    candidates = likely._replace(first=numbers[likely.first], second=numbers[likely.second])
    groups = Groups(len(thumbnails))
    links: list[Link] = []
    count = len(candidates.first)
    for start in watch(range(0, count, _BATCH), "comparing pictures", -(-count // _BATCH)):
        part = slice(start, start + _BATCH)
        open_pairs = [
            not groups.joined(i, j) for i, j in zip(candidates.first[part], candidates.second[part], strict=True)
        ]
        first, second, flip = (each[part][open_pairs] for each in candidates[:3])
        if not len(first):
            continue
        others = thumbnails[second]
        others = np.where(flip[:, None, None], others[:, :, ::-1], others)
        for i, j, flipped, value in zip(first, second, flip, similarity(thumbnails[first], others), strict=True):
            if value >= SAME and groups.join(int(i), int(j)):
                links.append(Link(int(i), int(j), float(value), bool(flipped)))
    return NearDuplicates(links, candidates.cut)


def _likely_pairs(
    vectors: NDArray[np.float32],
    related: NDArray[np.int64],
    watch: Watch,
) -> Candidates:
    """The pairs of signatures with a large product, found block by block."""
    pairs = np.empty(0, dtype=_PAIR)
    cut = False
    blocks = -(-len(vectors) // _BLOCK)
    for row in watch(range(blocks), "looking for near-duplicates", blocks):
        for found in _row_of_blocks(vectors, related, row):
            pairs = np.concatenate([pairs, found])
            if len(pairs) > MOST_CANDIDATES:
                pairs = pairs[np.argsort(-pairs["product"], kind="stable")[:MOST_CANDIDATES]]
                cut = True
    pairs = pairs[np.argsort(-pairs["product"], kind="stable")]
    return Candidates(pairs["first"], pairs["second"], pairs["mirrored"], cut)


_PAIR = np.dtype([("product", "f4"), ("first", "i4"), ("second", "i4"), ("mirrored", "?")])


def _row_of_blocks(vectors: NDArray[np.float32], related: NDArray[np.int64], row: int) -> Iterator[NDArray[np.void]]:
    """Likely pairs whose first picture is in block `row`, one array for each block of second pictures."""
    top = row * _BLOCK
    rows = slice(top, top + _BLOCK)
    for left in range(top, len(vectors), _BLOCK):
        columns = slice(left, left + _BLOCK)
        for flip in (False, True):
            others = mirrored(vectors[columns]) if flip else vectors[columns]
            likely = vectors[rows] @ others.T
            first, second = np.nonzero(likely >= LIKELY)
            wanted = (first + top < second + left) & (related[rows][first] != related[columns][second])
            first, second = first[wanted], second[wanted]
            pairs = np.empty(len(first), dtype=_PAIR)
            pairs["product"], pairs["mirrored"] = likely[first, second], flip
            pairs["first"], pairs["second"] = first + top, second + left
            yield pairs
