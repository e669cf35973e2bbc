"""Images of a table as tensors, and the processes that decode them ahead of the network."""

import itertools
import multiprocessing
import multiprocessing.forkserver
import os
import signal
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.context import BaseContext
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from linearityiqa.data.augmentation import Augmentation
from linearityiqa.data.samplers import EvaluationBatches, SampleKey, TrainingBatches
from linearityiqa.data.table import ImageTable
from linearityiqa.data.workers import default_workers
from linearityiqa.errors import DataError
from linearityiqa.images import ImageTransform, decode, image_size, normalise

__all__ = [
    "Batch",
    "BatchLoader",
    "ImageDataset",
    "SampleKey",
    "collate",
    "default_workers",
    "generator_for",
    "make_loader",
    "require_equal_sizes",
]

Sample = tuple[Tensor, float, int]

BATCHES_AHEAD = 2
"""Most batches that a worker has ready or in work."""


class Batch(NamedTuple):
    """Images of one size: float32 (N, 3, H, W); their MOS, float32 (N,); their rows in the table, int64 (N,)."""

    images: Tensor
    mos: Tensor
    indices: Tensor


class ImageDataset(Dataset[Sample]):
    """The images of a table, decoded when they are asked for.

    Args:
        table: names and opinion scores.
        transform: what every image undergoes.
        augmentation: random changes between resizing and normalising, for training.
        seed: seed of the augmentation; an image's changes depend on it, the epoch and the row, and on nothing else.
        exif_rotation: turn images upright by their EXIF orientation.
    """

    def __init__(
        self,
        table: ImageTable,
        transform: ImageTransform,
        *,
        augmentation: Augmentation | None = None,
        seed: int = 0,
        exif_rotation: bool = False,
    ) -> None:
        self.table = table
        self.transform = transform
        self.augmentation = augmentation
        self.seed = seed
        self.exif_rotation = exif_rotation

    def __len__(self) -> int:
        return len(self.table)

    def __getitem__(self, key: SampleKey) -> Sample:
        """The normalised image (3, H, W), its MOS and its row.

        Raises:
            DataError: the image cannot be decoded, or is smaller than the crop; the message names it.
        """
        epoch, index = key
        path = self.table.path(index)
        image = self.transform.pixels(decode(path, exif_rotation=self.exif_rotation).image)
        if self.augmentation is not None:
            try:
                image = self.augmentation(image, generator_for(self.seed, epoch, index))
            except DataError as cause:
                raise DataError(f"{path}: {cause}") from cause
        return torch.from_numpy(normalise(image)), float(self.table.mos[index]), index

    def sizes(self) -> list[tuple[int, int]]:
        """(height, width) of every image as the network sees it, from the files' headers where they decide it.

        Raises:
            UnreadableImageError: a header had to be read and could not; the message names the file.
        """
        fixed = self.augmentation.size if self.augmentation is not None else self._fixed_size()
        if fixed is not None:
            return [fixed] * len(self)
        paths = (self.table.path(index) for index in range(len(self)))
        return [self.transform.output_size(image_size(path, exif_rotation=self.exif_rotation)) for path in paths]

    def _fixed_size(self) -> tuple[int, int] | None:
        return self.transform.size or self.transform.common_size


def require_equal_sizes(dataset: ImageDataset) -> None:
    """Check before training that the images can share batches.

    Raises:
        DataError: two images differ in size; the message names them.
    """
    sizes = dataset.sizes()
    for index, size in enumerate(sizes):
        if size != sizes[0]:
            raise _unequal(dataset.table.names[0], sizes[0], dataset.table.names[index], size)


def generator_for(seed: int, epoch: int, index: int) -> torch.Generator:
    """The random stream of one image in one epoch, the same in any process and after any interruption."""
    # hashed, because the generator takes neighbouring seeds for neighbouring states
    state = np.random.SeedSequence([seed, epoch, index]).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(state[0]))


def collate(samples: Sequence[Sample], names: Sequence[str] | None = None) -> Batch:
    """A batch of samples.

    Args:
        samples: what `ImageDataset` gives.
        names: names of all images of the table, for the message.

    Raises:
        DataError: the images differ in size; the message names two of them.
    """
    first = samples[0]
    for image, _, index in samples:
        if image.shape != first[0].shape:
            a, b = (names[i] if names is not None else f"image {i}" for i in (first[2], index))
            raise _unequal(a, first[0].shape[1:], b, image.shape[1:])
    images, mos, indices = zip(*samples, strict=True)
    return Batch(torch.stack(images), torch.tensor(mos, dtype=torch.float32), torch.tensor(indices))


def make_loader(
    dataset: ImageDataset,
    batches: TrainingBatches | EvaluationBatches,
    num_workers: int,
    *,
    pin_memory: bool = False,
    persistent: bool = True,
) -> "BatchLoader":
    """Iterate over batches that `num_workers` processes decode ahead, at most two batches each.

    The batches are the same to the bit for any number of workers. A script that uses workers needs the usual
    ``if __name__ == "__main__":`` around its calls.

    Args:
        dataset: the images.
        batches: which images; asked anew at the start of each iteration.
        num_workers: processes; 0 decodes in this one.
        pin_memory: put batches into page-locked memory, for faster copies to a GPU.
        persistent: keep the processes from one iteration to the next.
    """
    return BatchLoader(dataset, batches, num_workers, pin_memory=pin_memory, persistent=persistent)


class BatchLoader:
    """Batches in their sampler's order, decoded ahead by a pool of processes; made by `make_loader`.

    Iterating raises DataError where an image cannot be decoded, where images of a batch differ in size, and where a
    process died. A failure costs neither the loader nor, unless one died, its processes.

    Not torch's DataLoader: with a fork server its workers outlive a killed parent, and a worker killed at the wrong
    moment leaves the parent waiting for a lock for ever; the pool of the standard library notices at once.
    """

    def __init__(
        self,
        dataset: ImageDataset,
        batches: TrainingBatches | EvaluationBatches,
        num_workers: int,
        *,
        pin_memory: bool,
        persistent: bool,
    ) -> None:
        self.dataset = dataset
        self.batches = batches
        self.num_workers = min(num_workers, len(batches))
        self.pin_memory = pin_memory and torch.cuda.is_available()
        self.persistent = persistent
        self._pool: ProcessPoolExecutor | None = None
        self._context = _process_context() if self.num_workers else None

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[Batch]:
        keys = iter(self.batches)  # asked now: a start_at between here and the first batch is for the next iteration
        loaded = self._from_workers(keys) if self.num_workers else (_load(self.dataset, batch) for batch in keys)
        return (Batch(*(part.pin_memory() for part in batch)) for batch in loaded) if self.pin_memory else loaded

    def close(self) -> None:
        """End the worker processes; a later iteration starts new ones."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None

    def _from_workers(self, keys: Iterator[list[SampleKey]]) -> Iterator[Batch]:
        waiting: deque[Future[tuple[Tensor, list[float], list[int]]]] = deque()
        pool = self._pool or ProcessPoolExecutor(self.num_workers, self._context, _start_worker, (self.dataset,))
        if self.persistent:
            self._pool = pool
        try:
            for batch in itertools.islice(keys, BATCHES_AHEAD * self.num_workers):
                waiting.append(pool.submit(_load_in_worker, batch))
            while waiting:
                images, mos, indices = waiting.popleft().result()
                for batch in itertools.islice(keys, 1):
                    waiting.append(pool.submit(_load_in_worker, batch))
                yield Batch(images, torch.tensor(mos, dtype=torch.float32), torch.tensor(indices))
        except BrokenProcessPool as cause:
            self._pool = None
            raise DataError(
                "a process that decodes images died, most likely because memory or shared memory (/dev/shm) ran out. "
                "Lower --num_workers or --batch_size."
            ) from cause
        finally:
            for future in waiting:
                future.cancel()
            if not self.persistent:
                pool.shutdown(wait=False, cancel_futures=True)


def _process_context() -> BaseContext:
    """How workers are started.

    Not forked from this process: its threads (of torch, of a GPU's driver) may hold locks that no thread of the child
    would ever release. A fork server has no threads and imports torch once. Measured with 2 workers on 2 cores: 3.5 s
    before the first batch of the first loader and 0.1 s for each later one; spawn takes 3 to 5 s each time.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    multiprocessing.forkserver.ensure_running()  # it imports torch while this process builds the network
    return context


_worker_dataset: ImageDataset  # exists in worker processes only


def _start_worker(dataset: ImageDataset) -> None:
    global _worker_dataset
    _worker_dataset = dataset
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; the process that asked for the images decides
    torch.set_num_threads(1)  # the parallelism is in the number of workers
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Leave no worker behind a killed process: the fork server lives on for as long as a worker does."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _load_in_worker(keys: list[SampleKey]) -> tuple[Tensor, list[float], list[int]]:
    """A batch of which only the images are a tensor: each tensor costs a connection between the two processes."""
    images, mos, indices = _load(_worker_dataset, keys)
    return images, mos.tolist(), indices.tolist()


def _load(dataset: ImageDataset, keys: list[SampleKey]) -> Batch:
    return collate([dataset[key] for key in keys], dataset.table.names)


def _unequal(first: str, first_size: Sequence[int], second: str, second_size: Sequence[int]) -> DataError:
    (a_height, a_width), (b_height, b_width) = first_size, second_size
    return DataError(
        f"images of one batch must have one size, but {first} has {a_height} x {a_width} and {second} {b_height} x "
        f"{b_width} (height x width). Bring them to one with --resize, or use --batch_size 1."
    )
