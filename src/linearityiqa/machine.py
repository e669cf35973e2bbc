"""Use of the machine: cores, memory, sizes of batches, and worker processes that end with their parent."""

import ctypes
import itertools
import multiprocessing
import multiprocessing.forkserver
import multiprocessing.resource_tracker
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.context import BaseContext
from typing import Any, NamedTuple, TypeVar

from linearityiqa.errors import DataError

T = TypeVar("T")
S = TypeVar("S")

MOST_WORKERS = 8
"""Workers that decode images by default, however many cores there are."""
MOST_LANES = 8
"""Batches that a CPU computes at once by default, however many cores it has: each holds its maps."""
ITEMS_A_TASK = 8
ITEMS_WORTH_A_PROCESS = 64
"""Number of images that are decoded about as fast as a process starts."""
TASKS_AHEAD = 4
"""Most tasks that a process has ready or in work, which bounds memory for any number of items."""

MAX_PIXELS_PER_BATCH = 16_000_000
"""Bound on the pixels of one batch, so that native-size photographs fit into memory whatever the batch size."""
CPU_BATCH = 8
CPU_PIXELS = 1_400_000
"""Pixels of a batch on a CPU: more of them only take more memory (docs/decisions.md)."""
GPU_BATCH = 64

# of glibc's malloc.h
M_TRIM_THRESHOLD = -1
M_MMAP_MAX = -4
M_ARENA_MAX = -8


class BatchLimit(NamedTuple):
    """Most images and most pixels of a batch.

    >>> BatchLimit(8, pixels=1000).of(300), BatchLimit(8, pixels=1000).of(2000)
    (3, 1)
    """

    images: int
    pixels: int = MAX_PIXELS_PER_BATCH

    def of(self, pixels: int) -> int:
        """Return how many images of `pixels` each a batch takes; a single one may exceed the limit."""
        return max(1, min(self.images, self.pixels // pixels))


def batch_limit(asked: int | None, *, gpu: bool) -> BatchLimit:
    """Return the batches of an evaluation: as many images as are asked for, by default what suits the device."""
    if asked is not None:
        return BatchLimit(asked)
    return BatchLimit(GPU_BATCH) if gpu else BatchLimit(CPU_BATCH, CPU_PIXELS)


def batches_by_size(
    items: Iterable[T],
    size_of: Callable[[T], tuple[int, int] | None],
    limit: BatchLimit,
    waiting: BatchLimit | None = None,
) -> Iterator[list[tuple[int, T]]]:
    """Yield batches of items of one size, each item with its number.

    Which items share a batch depends on their order and sizes alone, never on how fast they come.

    Args:
        items: read only as far as `waiting` allows.
        size_of: (height, width) of an item; one without is a batch by itself.
        limit: most items and most pixels of a batch.
        waiting: most items since the oldest one that waits for others of its size, and most pixels of all that wait.

    >>> list(batches_by_size(["ab", "c", "de", "f"], lambda word: (1, len(word)), BatchLimit(2)))
    [[(0, 'ab'), (2, 'de')], [(1, 'c'), (3, 'f')]]
    """
    groups: dict[tuple[int, int], list[tuple[int, T]]] = {}  # the first holds the oldest item

    def are_full(most: BatchLimit) -> bool:
        span = number + 1 - next(iter(groups.values()))[0][0]
        pixels = sum(height * width * len(group) for (height, width), group in groups.items())
        return span >= most.images or pixels >= most.pixels

    for number, item in enumerate(items):
        size = size_of(item)
        if size is None:
            yield [(number, item)]
        else:
            groups.setdefault(size, []).append((number, item))
            if len(groups[size]) >= limit.of(size[0] * size[1]):
                yield groups.pop(size)
        while groups and waiting is not None and are_full(waiting):
            yield groups.pop(next(iter(groups)))
    yield from groups.values()


def usable_cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def default_workers(num_workers: int | None, sharing: int = 1) -> int:
    """Return the number of workers that decode images: `num_workers`, by default one for each usable core, at most 8.

    `sharing` processes share the cores, and each starts that many workers.
    """
    return max(1, min(usable_cores() // sharing, MOST_WORKERS)) if num_workers is None else num_workers


def keep_freed_memory() -> None:
    """Have malloc keep freed memory for the next batch, instead of returning large blocks to the system at once.

    A batch on a CPU takes and frees hundreds of blocks of some megabytes, and the system clears each of their pages
    when it is first touched. Kept blocks cost nothing from the second batch on. All threads share one arena, since
    the arena of a thread cannot hold blocks so large. This is a setting of the whole process that cannot be undone, for
    a command to make as it begins. It does nothing where the C library lacks it (other systems than Linux, musl).
    """
    if sys.platform != "linux":
        return
    library = ctypes.CDLL(None)
    if hasattr(library, "mallopt"):
        library.mallopt(M_MMAP_MAX, 0)
        library.mallopt(M_TRIM_THRESHOLD, -1)  # never: a step may free more than the 2 GB of an int
        library.mallopt(M_ARENA_MAX, 1)


def process_context(preloaded: str = __name__) -> BaseContext:
    """Return the start method of worker processes; a fork server imports the module `preloaded` once for all of them.

    Not forked from this process: its threads (of torch, of a GPU's driver) may hold locks that no thread of the child
    would ever release. A fork server has no threads and imports torch once. Measured with 2 workers on 2 cores: 3.5 s
    before the first batch of the first loader and 0.1 s for each later one; spawn takes 3 to 5 s each time.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([preloaded])
    multiprocessing.resource_tracker.ensure_running()  # the fork server would, letting SIGTERM through
    # it inherits that SIGTERM is held back, so that a signal to the whole group does not end it; its pipe closing does
    held = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    try:
        multiprocessing.forkserver.ensure_running()  # it imports torch while this process builds the network
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, held)
    return context


def start_processes(
    count: int, prepare: Callable[..., None] | None = None, *arguments: Any, preloaded: str = __name__
) -> ProcessPoolExecutor:
    """Return a pool of processes that leave signals to the whole group to this one, and do not outlive it.

    Each calls `prepare` once, with `arguments`; `preloaded` is the module that they need.
    """
    return ProcessPoolExecutor(count, process_context(preloaded), _start, (prepare, arguments))


def each_in_processes(
    function: Callable[[Sequence[T]], Iterable[S]], items: Sequence[T], workers: int, *, preloaded: str = __name__
) -> Iterator[S]:
    """Yield the results of `function`, one for each item, in order; computed in processes where there is enough to do.

    Args:
        function: called with a few items at a time.
        items: for example image files.
        workers: most processes; 0 computes in this one.
        preloaded: module that the processes need.

    Raises:
        DataError: a process died.
    """
    tasks = (items[start : start + ITEMS_A_TASK] for start in range(0, len(items), ITEMS_A_TASK))
    processes = min(workers, len(items) // ITEMS_WORTH_A_PROCESS)
    if processes == 0:
        yield from itertools.chain.from_iterable(map(function, tasks))
        return
    with start_processes(processes, preloaded=preloaded) as pool:
        for results in prefetch(pool, function, tasks, TASKS_AHEAD * processes):
            yield from results


def prefetch(executor: Executor, function: Callable[[T], S], items: Iterable[T], depth: int) -> Iterator[S]:
    """Yield `function` of each item, in order, computed up to `depth` items ahead; `items` is read no further.

    Raises:
        DataError: a process of the executor died.
    """
    source = iter(items)
    pending: deque[Future[S]] = deque()
    try:
        pending.extend(executor.submit(function, item) for item in itertools.islice(source, depth))
        while pending:
            result = pending.popleft().result()
            pending.extend(executor.submit(function, item) for item in itertools.islice(source, 1))
            yield result
    except BrokenProcessPool as cause:
        raise DataError(
            "a process that decodes images died, most likely because memory or shared memory (/dev/shm) ran out. "
            "Lower --num_workers or --batch_size."
        ) from cause
    finally:
        for future in pending:
            future.cancel()


def in_threads(function: Callable[[T], S], items: Iterable[T]) -> Iterator[S]:
    """Yield `function` of each item, in order, computed a few items ahead by a thread for each core."""
    threads = max(1, default_workers(None))
    with ThreadPoolExecutor(threads, thread_name_prefix="picture") as pool:
        try:
            yield from prefetch(pool, function, items, 2 * threads)
        finally:
            pool.shutdown(cancel_futures=True)


def _start(prepare: Callable[..., None] | None, arguments: tuple[Any, ...]) -> None:
    # Ctrl-C, torchrun and schedulers signal a whole group: the process that asked for the work decides, and first saves
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(os, "setpgid"):  # not on Windows
        os.setpgid(0, 0)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    if (parent := multiprocessing.parent_process()) is not None:
        end_after(parent.join)  # the fork server lives on for as long as a worker does
    if prepare is not None:
        prepare(*arguments)


def end_after(wait: Callable[[], object]) -> None:
    """End this process when `wait`, called in a thread, returns: no worker outlives the process that it works for."""

    def end() -> None:
        wait()
        os._exit(1)

    threading.Thread(target=end, daemon=True).start()
