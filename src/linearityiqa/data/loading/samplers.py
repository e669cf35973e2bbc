"""Which images form which batch: a pure function of the seed and the epoch, or of the images' sizes."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from torch.utils.data import Sampler

from linearityiqa.data.loading.batch_limits import BatchLimit


class SampleKey(NamedTuple):
    """What a dataset is asked for: an image, and the epoch that its augmentation is drawn for."""

    epoch: int
    index: int  # type: ignore[assignment]  # hides tuple.index, which no one needs of a key


class TrainingBatches(Sampler[list[SampleKey]]):
    """Every image once an epoch, shuffled by the seed and the epoch; the images of a batch are of one database.

    The permutation of an epoch is that of ``numpy.random.default_rng([seed, epoch])``, of the database number k of
    several that of ``default_rng([seed, epoch, k])``. The batches of several databases are spread evenly over the
    epoch, each database's at an offset that is drawn anew every epoch. Iterating goes through the epoch that
    `start_at` chose last; `len` is the number of batches of a whole epoch.

    Args:
        length: number of images; of several databases, which follow each other in the table, the number of each.
        batch_size: images a batch; the last batch of an epoch (of each database) may be smaller.
        seed: seed of the run.
        drop_single: leave out a last batch of one image, which cannot be normalised (unless all batches are such).
        images_a_loss: images that are normalised together, by default those of a batch; a multiple of `batch_size`.
    """

    def __init__(
        self,
        length: int | Sequence[int],
        batch_size: int,
        seed: int,
        *,
        drop_single: bool = True,
        images_a_loss: int | None = None,
    ) -> None:
        self.lengths = (length,) if isinstance(length, int) else tuple(length)
        self.batch_size = batch_size
        self.seed = seed
        self.epoch = 0
        self.step = 0
        together = images_a_loss or batch_size
        drops = drop_single and together > 1
        self._used = [count - 1 if drops and count % together == 1 else count for count in self.lengths]

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
        return iter([batch for _, batch in placed][self.step :])

    def _shuffled(self, database: int) -> list[SampleKey]:
        """The images of one database that the epoch uses, in its order."""
        stream = [self.seed, self.epoch] if len(self.lengths) == 1 else [self.seed, self.epoch, database]
        order = np.random.default_rng(stream).permutation(self.lengths[database])[: self._used[database]]
        return [SampleKey(self.epoch, int(index)) for index in order + sum(self.lengths[:database])]

    def __len__(self) -> int:
        return sum(-(-used // self.batch_size) for used in self._used)


class EvaluationBatches(Sampler[list[SampleKey]]):
    """Every image once, in batches of one size: the largest sizes first, the images of a size in the table's order.

    Largest first, so that too large a batch fails at once and not after an hour.

    Args:
        sizes: (height, width) of every image as the network sees it.
        limit: most images and pixels a batch.
        skip: how many batches are left out because they are done already.
    """

    def __init__(self, sizes: Sequence[tuple[int, int]], limit: BatchLimit, *, skip: int = 0) -> None:
        indices_of = defaultdict(list)
        for index, size in enumerate(sizes):
            indices_of[size].append(SampleKey(0, index))
        batches: list[list[SampleKey]] = []
        for height, width in sorted(indices_of, key=lambda size: (size[0] * size[1], size), reverse=True):
            batches += _in_batches(indices_of[height, width], limit.of(height * width))
        self._batches = batches[skip:]

    def __iter__(self) -> Iterator[list[SampleKey]]:
        return iter(self._batches)

    def __len__(self) -> int:
        return len(self._batches)


class Shares(Sampler[list[SampleKey]]):
    """One process's share of every batch of another sampler.

    Consecutive images: the shares in the order of the processes are the batch. A share is empty where a batch holds
    fewer images than there are processes.

    Args:
        batches: the whole batches, asked anew at the start of each iteration.
        rank: number of this process.
        ranks: number of processes.
    """

    def __init__(self, batches: TrainingBatches, rank: int, ranks: int) -> None:
        self.batches, self.rank, self.ranks = batches, rank, ranks

    def __iter__(self) -> Iterator[list[SampleKey]]:
        whole = iter(self.batches)
        return (self._share(batch) for batch in whole)

    def __len__(self) -> int:
        return len(self.batches)

    def _share(self, batch: list[SampleKey]) -> list[SampleKey]:
        start, stop = (len(batch) * rank // self.ranks for rank in (self.rank, self.rank + 1))
        return batch[start:stop]


class Turns(Sampler[list[SampleKey]]):
    """One process's batches of another sampler: every batch goes to one process, in turn.

    Args:
        batches: all batches.
        rank: number of this process.
        ranks: number of processes.
    """

    def __init__(self, batches: EvaluationBatches, rank: int, ranks: int) -> None:
        self._batches = list(batches)[rank::ranks]

    def __iter__(self) -> Iterator[list[SampleKey]]:
        return iter(self._batches)

    def __len__(self) -> int:
        return len(self._batches)


def _in_batches(keys: list[SampleKey], size: int) -> list[list[SampleKey]]:
    return [keys[start : start + size] for start in range(0, len(keys), size)]
