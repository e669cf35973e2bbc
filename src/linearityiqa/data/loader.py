"""The processes that decode images ahead of the network."""

import itertools
import multiprocessing
import multiprocessing.forkserver
import os
import signal
import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.context import BaseContext

import torch
from torch import Tensor

from linearityiqa.data.dataset import Batch, ImageDataset, collate
from linearityiqa.data.samplers import EvaluationBatches, SampleKey, TrainingBatches
from linearityiqa.errors import DataError

BATCHES_AHEAD = 2
"""Most batches that a worker has ready or in work."""


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
