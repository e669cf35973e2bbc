"""Near-duplicates: images that show the same picture, though their files and pixels differ.

Each picture is a small grey square with a short vector; scalar products of the vectors find the pairs that are worth a
closer look.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from linearityiqa.console import track
from linearityiqa.data.checks.registration import similarity
from linearityiqa.extras import require

SIDE = 64
"""Width and height of a thumbnail, whatever the shape of the image."""


def thumbnail(image: Image.Image) -> NDArray[np.uint8]:
    """Return a loaded image as uint8 of shape (64, 64): every pixel counts once."""
    grey = image.convert("L").resize((SIDE, SIDE), Image.Resampling.BOX)
    return np.asarray(grey, dtype=np.uint8)


FREQUENCIES = 8
"""Frequencies kept in each direction, the constant one included."""
LENGTH = FREQUENCIES**2 - 1
"""Length of a signature."""
FLAT = 1.0
"""A picture whose detail has a smaller standard deviation, in grey levels, has nothing to be recognised by."""

_REDUCED = 32


def signatures(thumbnails: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the low frequencies of each picture, of unit length, float32 (N, 63); zeros for a flat picture.

    The discrete cosine transform of the thumbnail, 8 x 8 frequencies without the constant, each times its frequency:
    the amplitudes of photographs fall with frequency, so that without this two or three would decide. Signatures do not
    change with brightness and contrast, and little with compression, noise or the size of the image. Thumbnails are
    uint8, shape (N, 64, 64).
    """
    dctn = require("scipy.fft", "metrics").dctn
    count = len(thumbnails)
    factor = SIDE // _REDUCED
    reduced = thumbnails.reshape(count, _REDUCED, factor, _REDUCED, factor).mean(axis=(2, 4), dtype=np.float32)
    detail: Any = dctn(reduced, axes=(1, 2), norm="ortho")[:, :FREQUENCIES, :FREQUENCIES]
    steps = np.arange(FREQUENCIES, dtype=np.float32)
    vectors = (detail * np.hypot(steps[:, None], steps)).reshape(count, -1)[:, 1:].astype(np.float32)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    flat = reduced.std(axis=(1, 2), keepdims=True)[:, :, 0] < FLAT
    return np.asarray(np.where(flat, 0, vectors / np.maximum(lengths, 1e-6)), dtype=np.float32)


def mirrored(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the signatures of the mirror images: odd horizontal frequencies change their sign."""
    signs = np.where(np.arange(FREQUENCIES) % 2, -1, 1)
    return vectors * np.tile(signs, FREQUENCIES)[1:].astype(np.float32)


def components(count: int, pairs: Sequence[tuple[int, int]]) -> NDArray[np.int64]:
    """Return the group of each of `count` numbers, those of a pair being in one; groups follow their first members.

    >>> components(5, [(0, 2), (2, 3)]).tolist()
    [0, 1, 0, 0, 2]
    """
    sparse, graphs = (require(f"scipy.sparse{name}", "metrics") for name in ("", ".csgraph"))
    first, second = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    graph = sparse.coo_array((np.ones(len(first)), (first, second)), shape=(count, count))
    return np.asarray(graphs.connected_components(graph, directed=False)[1], dtype=np.int64)


LIKELY = 0.65
"""Scalar product of two signatures from which on the pictures are compared."""
SAME = 0.8
"""Similarity from which on two pictures count as near-duplicates.

Among 4.5 million pairs of a photograph and the mirror image of another one (3,000 of BIQ2021) the highest was 0.60.
"""
MOMENT = 10.0
"""Most seconds between two photographs of one moment."""
MOST_CANDIDATES = 200_000
"""Most pairs that are compared; beyond, only the likeliest are, and the result says so."""

BLOCK = 2048
_BATCH = 128


class Link(NamedTuple):
    """Two pictures (their numbers) that show the same, how similar they are, and whether one is mirrored."""

    first: int
    second: int
    similarity: float
    mirrored: bool


class NearDuplicates(NamedTuple):
    """Links that join every group of near-duplicates (a tree each), and whether the search had to be cut short."""

    links: list[Link]
    cut: bool


def find_near_duplicates(
    thumbnails: NDArray[np.uint8],
    related: NDArray[np.int64],
    numbers: NDArray[np.int64] | None = None,
    *,
    times: NDArray[np.float64] | None = None,
    quiet: bool = True,
) -> NearDuplicates:
    """Find the pictures that show the same: recompressed, resized, cropped, brightened, mirrored, or shot again.

    Pairs that are in one group already are not compared, so that a group of N costs some N comparisons.

    Args:
        thumbnails: uint8, shape (N, 64, 64); read in parts, so it may be a file mapped into memory.
        related: a number for each; pictures of the same number are known to be related, and not compared.
        numbers: which of the pictures are compared, ascending; by default all.
        times: in seconds, shape (N,); pictures that are further apart than `MOMENT` are not compared.
        quiet: show no progress bar.
    """
    times = np.zeros(len(thumbnails)) if times is None else times
    numbers = np.arange(len(thumbnails)) if numbers is None else numbers
    vectors = np.empty((len(numbers), LENGTH), dtype=np.float32)
    for start in range(0, len(numbers), BLOCK):
        vectors[start : start + BLOCK] = signatures(thumbnails[numbers[start : start + BLOCK]])
    pairs, cut = _likely_pairs(vectors, related[numbers], times[numbers], quiet)
    firsts, seconds = numbers[pairs["first"]], numbers[pairs["second"]]
    groups = require("scipy.cluster.hierarchy", "metrics").DisjointSet(np.union1d(firsts, seconds).tolist())
    links: list[Link] = []
    for start in track(range(0, len(pairs), _BATCH), "comparing pictures", enabled=not quiet):
        batch = slice(start, start + _BATCH)
        first, second, flip = firsts[batch], seconds[batch], pairs["mirrored"][batch]
        apart = [not groups.connected(i, j) for i, j in zip(first, second, strict=True)]
        first, second, flip = first[apart], second[apart], flip[apart]
        if not len(first):
            continue
        others = thumbnails[second]
        others = np.where(flip[:, None, None], others[:, :, ::-1], others)
        for i, j, flipped, value in zip(first, second, flip, similarity(thumbnails[first], others), strict=True):
            if value >= SAME and groups.merge(i, j):
                links.append(Link(int(i), int(j), float(value), bool(flipped)))
    return NearDuplicates(links, cut)


_PAIR = np.dtype([("product", "f4"), ("first", "i4"), ("second", "i4"), ("mirrored", "?")])


def _likely_pairs(
    vectors: NDArray[np.float32], related: NDArray[np.int64], times: NDArray[np.float64], quiet: bool
) -> tuple[NDArray[np.void], bool]:
    """Return the pairs of signatures with a large product, the largest first, and whether there were too many."""
    pairs = np.empty(0, dtype=_PAIR)
    cut = False
    blocks = -(-len(vectors) // BLOCK)
    for row in track(range(blocks), "looking for near-duplicates", enabled=not quiet):
        for found in _row_of_blocks(vectors, related, times, row):
            pairs = np.concatenate([pairs, found])
            if len(pairs) > MOST_CANDIDATES:
                pairs = pairs[np.argsort(-pairs["product"], kind="stable")[:MOST_CANDIDATES]]
                cut = True
    return pairs[np.argsort(-pairs["product"], kind="stable")], cut


def _row_of_blocks(
    vectors: NDArray[np.float32], related: NDArray[np.int64], times: NDArray[np.float64], row: int
) -> Iterator[NDArray[np.void]]:
    """Yield likely pairs whose first picture is in block `row`, one array for each block of second pictures."""
    top = row * BLOCK
    rows = slice(top, top + BLOCK)
    for left in range(top, len(vectors), BLOCK):
        columns = slice(left, left + BLOCK)
        for flip in (False, True):
            others = mirrored(vectors[columns]) if flip else vectors[columns]
            likely = vectors[rows] @ others.T
            first, second = np.nonzero(likely >= LIKELY)
            wanted = (first + top < second + left) & (related[rows][first] != related[columns][second])
            wanted &= np.abs(times[rows][first] - times[columns][second]) <= MOMENT
            first, second = first[wanted], second[wanted]
            pairs = np.empty(len(first), dtype=_PAIR)
            pairs["product"], pairs["mirrored"] = likely[first, second], flip
            pairs["first"], pairs["second"] = first + top, second + left
            yield pairs
