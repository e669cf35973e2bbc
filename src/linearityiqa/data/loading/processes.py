"""Processes that work ahead of the one that started them, and end with it."""

import contextlib
import itertools
import multiprocessing
import multiprocessing.forkserver
import multiprocessing.resource_tracker
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.context import BaseContext
from typing import Any, TypeVar

from linearityiqa.errors import DataError

T = TypeVar("T")
S = TypeVar("S")

ITEMS_A_TASK = 8
ITEMS_WORTH_A_PROCESS = 64
"""So many images are decoded about as fast as a process starts."""
TASKS_AHEAD = 4
"""Tasks that a process has ready or in work at most, so that memory is bounded for any number of items."""
_PRELOADED = "linearityiqa.data.loading.loader"


def process_context(preloaded: str = _PRELOADED) -> BaseContext:
    """How processes are started, with a module that they need ready.

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
    count: int, prepare: Callable[..., None] | None = None, *arguments: Any, preloaded: str = _PRELOADED
) -> ProcessPoolExecutor:
    """A pool of processes that leave signals to the whole group to this one, and do not outlive it.

    Args:
        count: processes.
        prepare: called once in each, with `arguments`.
        arguments: what it is handed.
        preloaded: module that the processes need; a fork server imports it once.
    """
    return ProcessPoolExecutor(count, process_context(preloaded), _start, (prepare, arguments))


@contextlib.contextmanager
def translate_errors() -> Iterator[None]:
    """Say in one sentence that a process of a pool died.

    Raises:
        DataError: one did.
    """
    try:
        yield
    except BrokenProcessPool as cause:
        raise DataError(
            "a process that decodes images died, most likely because memory or shared memory (/dev/shm) ran out. "
            "Lower --num_workers or --batch_size."
        ) from cause


def each_in_processes(
    function: Callable[[Sequence[T]], Iterable[S]],
    items: Sequence[T],
    workers: int,
    *,
    preloaded: str = _PRELOADED,
) -> Iterator[S]:
    """What `function` gives for some items at a time, in order; computed in processes where there is enough to do.

    Args:
        function: gives a result for each of its items.
        items: what is worked on, e.g. image files.
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
    with translate_errors(), start_processes(processes, preloaded=preloaded) as pool:
        for results in prefetch(pool, function, tasks, TASKS_AHEAD * processes):
            yield from results


def prefetch(executor: Executor, function: Callable[[T], S], items: Iterable[T], depth: int) -> Iterator[S]:
    """`function` of each item, in order, computed up to `depth` items ahead; `items` is read no further than that."""
    source = iter(items)
    pending: deque[Future[S]] = deque(executor.submit(function, item) for item in itertools.islice(source, depth))
    try:
        while pending:
            result = pending.popleft().result()
            pending.extend(executor.submit(function, item) for item in itertools.islice(source, 1))
            yield result
    finally:
        for future in pending:
            future.cancel()


def _start(prepare: Callable[..., None] | None, arguments: tuple[Any, ...]) -> None:
    # Ctrl-C, torchrun and schedulers signal a whole group: the process that asked for the work decides, and first saves
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(os, "setpgid"):  # not on Windows
        os.setpgid(0, 0)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if prepare is not None:
        prepare(*arguments)


def _end_with_parent() -> None:
    """Leave no worker behind a killed process: the fork server lives on for as long as a worker does."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
