"""Images decoded, or read from a cache, ahead of the network."""

import functools
import logging
import time
from collections.abc import Iterable, Iterator, Sized
from concurrent.futures import Executor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from linearityiqa.data.loading.dataset import Batch, ImageDataset, MixedDataset, collate
from linearityiqa.data.loading.samplers import SampleKey
from linearityiqa.errors import DataError
from linearityiqa.machine import prefetch, process_context, start_processes

BATCHES_AHEAD = 2
"""Most batches that a worker has ready or in work."""
READING_THREADS = 2
"""Threads that read from a cache. One copies a gigabyte in about a second; a second one hides a slow disk."""
SLOW_SECONDS, SLOW_SHARE = 60.0, 0.3
"""A pass that takes this long, and this share of it waiting for images, is answered with a hint at the cache."""

logger = logging.getLogger(__name__)

Images = ImageDataset | MixedDataset


class KeyBatches(Iterable[list[SampleKey]], Sized, Protocol):
    """Images of each batch, in order: a sampler, or a list."""


class BatchLoader:
    """Batches in their sampler's order, decoded ahead by `num_workers` processes, at most two batches each.

    Where images are only read from a cache, threads of this process do that instead. The batches are the same to the
    bit for any number of workers. A script that uses workers needs the usual ``if __name__ == "__main__":`` around its
    calls.

    Iterating raises DataError where an image cannot be decoded, where images of a batch differ in size, and where a
    process died. The loader works again after a failure, and unless one died its processes are kept.

    Args:
        dataset: the images.
        batches: asked anew at the start of each iteration.
        num_workers: 0 decodes, or reads, in the thread that iterates.
        pin_memory: put batches into page-locked memory, for faster copies to a GPU.
        persistent: keep the processes from one iteration to the next.
    """

    # not torch's DataLoader, which hangs where /dev/shm is full and leaves orphans (docs/decisions.md)

    def __init__(
        self,
        dataset: Images,
        batches: KeyBatches,
        num_workers: int,
        *,
        pin_memory: bool = False,
        persistent: bool = True,
    ) -> None:
        self.dataset = dataset
        self.batches = batches
        self.num_workers = min(num_workers, len(batches), READING_THREADS if dataset.only_reads else num_workers)
        self.pin_memory = pin_memory and torch.cuda.is_available()
        self.persistent = persistent
        self._pool: Executor | None = None
        if self.num_workers and not dataset.only_reads:
            process_context(__name__)  # starts what starts processes, while this one builds the network

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[Batch]:
        keys = iter(self.batches)  # asked now: a start_at between here and the first batch is for the next iteration
        loaded = self._from_pool(keys) if self.num_workers else (_load(self.dataset, batch) for batch in keys)
        if not self.dataset.is_cached:
            loaded = _with_advice(loaded)
        return (Batch(*(part.pin_memory() for part in batch)) for batch in loaded) if self.pin_memory else loaded

    def close(self) -> None:
        """End the worker processes; a later iteration starts new ones."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None

    def _from_pool(self, keys: Iterator[list[SampleKey]]) -> Iterator[Batch]:
        pool = self._pool or self._start_pool()
        if self.persistent:
            self._pool = pool
        work = functools.partial(_load, self.dataset) if self.dataset.only_reads else _load_in_worker
        try:
            for parts in prefetch(pool, work, keys, BATCHES_AHEAD * self.num_workers):
                yield Batch(*map(torch.as_tensor, parts))
        except DataError as failure:
            if isinstance(failure.__cause__, BrokenProcessPool):
                self._pool = None
            raise
        finally:
            if not self.persistent:
                pool.shutdown(wait=False, cancel_futures=True)

    def _start_pool(self) -> Executor:
        if self.dataset.only_reads:
            return ThreadPoolExecutor(self.num_workers)
        return start_processes(self.num_workers, _prepare_worker, self.dataset, preloaded=__name__)


def _with_advice(batches: Iterator[Batch]) -> Iterator[Batch]:
    """Yield batches; at their end log a message about the cache where the network has waited long for images."""
    waited, began = 0.0, None
    while True:
        asked = time.monotonic()
        batch = next(batches, None)
        now = time.monotonic()
        if began is None:
            began = now  # the first batch also waits for the workers to start
        waited += now - max(asked, began)
        if batch is None:
            break
        yield batch
    if now - began >= SLOW_SECONDS and waited >= SLOW_SHARE * (now - began):
        advise()


@functools.cache  # once
def advise() -> None:
    """Log what helps where the network waits for images."""
    logger.info(
        "the network spends much of its time waiting for images: --cache auto decodes them only once, --num_workers N "
        "more of them at a time"
    )


_worker_dataset: Images  # exists in worker processes only


def _prepare_worker(dataset: Images) -> None:
    global _worker_dataset
    _worker_dataset = dataset
    torch.set_num_threads(1)  # the parallelism is in the number of workers


def _load_in_worker(keys: list[SampleKey]) -> tuple[Tensor | NDArray[np.uint8], NDArray[Any], NDArray[Any]]:
    images, mos, indices = _load(_worker_dataset, keys)
    # only the images are sent as a tensor: each costs a connection between two processes
    try:
        return images.share_memory_(), mos.numpy(), indices.numpy()  # type: ignore[no-untyped-call]
    except RuntimeError:  # /dev/shm is full, of which Docker gives 64 MB: the pipe between the processes is slower
        return images.numpy(), mos.numpy(), indices.numpy()


def _load(dataset: Images, keys: list[SampleKey]) -> Batch:
    if not keys:  # the share of a process where a batch holds fewer images than there are processes
        return Batch(*(part[:0] for part in collate([dataset[SampleKey(0, 0)]], dataset.names)))
    return collate([dataset[key] for key in keys], dataset.names)
