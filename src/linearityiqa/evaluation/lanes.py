"""Several batches through a network at once, each on cores of its own, which then never wait for one another."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

from linearityiqa.data.loading.processes import ahead
from linearityiqa.data.loading.workers import MOST_LANES

T = TypeVar("T")
R = TypeVar("R")


def lanes_of(device: torch.device) -> int:
    """How many batches a device computes at once: on a CPU as many as torch has threads, at most 8."""
    return min(torch.get_num_threads(), MOST_LANES) if device.type == "cpu" else 1


def in_lanes(compute: Callable[[T], R], items: Iterable[T], lanes: int) -> Iterator[R]:
    """`compute` of each item, in inference mode and in the order of the items; `lanes` of them run at once.

    torch's threads are divided among the lanes. `items` is read at most that far ahead.
    """
    if lanes == 1:
        yield from map(torch.inference_mode()(compute), items)
        return
    threads = torch.get_num_threads()
    # OpenMP keeps the number of threads for each thread that asks, so this one keeps its own
    pool = ThreadPoolExecutor(
        lanes, "evaluation", initializer=torch.set_num_threads, initargs=(max(1, threads // lanes),)
    )
    try:
        yield from ahead(pool, torch.inference_mode()(compute), items, lanes)
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(threads)  # what threads to come begin with
