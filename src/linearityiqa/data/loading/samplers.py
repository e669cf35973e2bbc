"""The images of each batch: pure functions of the seed and the epoch, or of the images' sizes; without torch."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from linearityiqa.machine import BatchLimit, batches_by_size

LEVELS = (1, 2)
"""Degraded versions of an image: mild and severe."""


class SampleKey(NamedTuple):
    """Index of an image, the epoch that its augmentation is drawn for, and the level of a degraded version of it."""

    epoch: int
    index: int  # type: ignore[assignment]  # hides tuple.index, which no one needs of a key
    level: int = 0


def with_versions(batch: list[SampleKey], versions: int) -> list[SampleKey]:
    """Return a batch followed by the mild, then the severe versions of its first `versions` images.

    >>> with_versions([SampleKey(1, 5), SampleKey(1, 7)], 1)[2:]
    [SampleKey(epoch=1, index=5, level=1), SampleKey(epoch=1, index=5, level=2)]
    """
    first = batch[:versions]
    return batch + [key._replace(level=level) for level in LEVELS for key in first]


def versions_in(length: int, versions: int) -> int:
    """Return how many images of a batch of `with_versions`, `length` with all versions, have versions."""
    return min(versions, length // (1 + len(LEVELS)))


class TrainingBatches:
    """Every image once an epoch, shuffled by seed and epoch; the images of a batch are of one database.

    An epoch's permutation is that of ``numpy.random.default_rng([seed, epoch])``, for database number k of several that
    of ``default_rng([seed, epoch, k])``. The batches of each database are spread evenly over the epoch, at an offset
    drawn anew every epoch. Iterating goes through the epoch that `start_at` chose last; `len` counts a whole epoch.

    Args:
        length: number of images; of several databases, which follow each other in the table, the number of each.
        batch_size: images a batch; the last batch of an epoch (of each database) may be smaller, but one of a single
            image, which cannot be normalised, is left out (unless all batches are such).
        seed: seed of the run.
        images_a_loss: images that are normalised together, by default those of a batch; a multiple of `batch_size`.
        versions: images of each batch whose degraded versions follow it (`with_versions`).
    """

    def __init__(
        self,
        length: int | Sequence[int],
        batch_size: int,
        seed: int,
        *,
        images_a_loss: int | None = None,
        versions: int = 0,
    ) -> None:
        self.lengths = (length,) if isinstance(length, int) else tuple(length)
        self.batch_size = batch_size
        self.seed = seed
        self.versions = versions
        self.epoch = 0
        self.step = 0
        together = images_a_loss or batch_size
        self._used = [count - 1 if together > 1 and count % together == 1 else count for count in self.lengths]

    def start_at(self, epoch: int, step: int = 0) -> None:
        """Choose the epoch of the next iteration, and how many of its batches are done already."""
        self.epoch = epoch
        self.step = step

    def __iter__(self) -> Iterator[list[SampleKey]]:
        offsets = np.random.default_rng([self.seed, self.epoch, len(self.lengths)]).random(len(self.lengths))
        placed: list[tuple[float, list[SampleKey]]] = []
        for database, offset in enumerate(offsets):
            batches = _in_batches(self._shuffled(database), self.batch_size)
            placed += [((place + offset) / len(batches), batch) for place, batch in enumerate(batches)]
        placed.sort(key=lambda pair: pair[0])
        return iter([with_versions(batch, self.versions) for _, batch in placed][self.step :])

    def _shuffled(self, database: int) -> list[SampleKey]:
        """Return the images of one database that the epoch uses, in its order."""
        stream = [self.seed, self.epoch] if len(self.lengths) == 1 else [self.seed, self.epoch, database]
        order = np.random.default_rng(stream).permutation(self.lengths[database])[: self._used[database]]
        return [SampleKey(self.epoch, int(index)) for index in order + sum(self.lengths[:database])]

    def __len__(self) -> int:
        return sum(-(-used // self.batch_size) for used in self._used)


class Shares:
    """The share of process `rank` of `ranks` in every training batch: consecutive images, none where there are too few.

    The shares of all processes, in the order of their ranks, are the batch.
    """

    def __init__(self, batches: TrainingBatches, rank: int, ranks: int) -> None:
        self.batches, self.rank, self.ranks = batches, rank, ranks

    def __iter__(self) -> Iterator[list[SampleKey]]:
        def share(batch: list[SampleKey]) -> list[SampleKey]:
            return batch[len(batch) * self.rank // self.ranks : len(batch) * (self.rank + 1) // self.ranks]

        return map(share, self.batches)  # takes the epoch of the batches now, not at the first one

    def __len__(self) -> int:
        return len(self.batches)


def evaluation_batches(sizes: Sequence[tuple[int, int]], limit: BatchLimit) -> list[list[SampleKey]]:
    """Return every image once, in batches of one size: the largest sizes first, those of a size in the table's order.

    Largest first, so that too large a batch fails at once and not after an hour.

    Args:
        sizes: (height, width) of every image as the network sees it.
        limit: most images and most pixels of a batch.
    """

    def largest(batch: list[tuple[int, tuple[int, int]]]) -> tuple[int, tuple[int, int]]:
        height, width = batch[0][1]
        return height * width, (height, width)

    batches = sorted(batches_by_size(sizes, lambda size: size, limit), key=largest, reverse=True)
    return [[SampleKey(0, index) for index, _ in batch] for batch in batches]


def _in_batches(keys: list[SampleKey], size: int) -> list[list[SampleKey]]:
    return [keys[start : start + size] for start in range(0, len(keys), size)]
