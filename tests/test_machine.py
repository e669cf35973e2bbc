"""Oracle: the items themselves, and the operating system."""

import importlib
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from linearityiqa import machine
from linearityiqa.cli import main
from linearityiqa.errors import DataError
from linearityiqa.machine import default_workers, each_in_processes, prefetch, start_processes


def test_default_workers_are_the_cores_at_most_eight_which_processes_share() -> None:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    assert default_workers(None) == min(8, cores)
    assert default_workers(None, sharing=2 * cores) == 1
    assert (default_workers(0), default_workers(5, sharing=4), default_workers(13)) == (0, 5, 13)


def test_ahead_keeps_order_and_reads_no_further_than_its_depth() -> None:
    taken = 0

    def endless() -> Iterator[int]:
        nonlocal taken
        while True:
            taken += 1
            yield taken

    with ThreadPoolExecutor(2) as executor:
        squares = prefetch(executor, lambda x: x * x, endless(), depth=3)
        for i in range(1, 20):
            assert next(squares) == i * i
            assert taken <= i + 3
        squares.close()  # type: ignore[attr-defined]


def test_ahead_ends_with_its_items() -> None:
    with ThreadPoolExecutor(2) as executor:
        assert list(prefetch(executor, str, range(5), depth=9)) == list("01234")
        assert list(prefetch(executor, str, [], depth=9)) == []


def negatives(numbers: Sequence[int]) -> list[int]:
    return [-number for number in numbers]


@pytest.mark.parametrize(("workers", "started"), [(0, []), (1, [1]), (5, [2])])
def test_each_item_has_its_result_in_order_and_few_items_start_few_processes(
    workers: int, started: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    pools: list[int] = []

    def threads(count: int, preloaded: str) -> ThreadPoolExecutor:
        pools.append(count)
        return ThreadPoolExecutor(count)

    monkeypatch.setattr(machine, "start_processes", threads)
    assert list(each_in_processes(negatives, range(150), workers)) == negatives(range(150))
    assert list(each_in_processes(negatives, range(9), workers)) == negatives(range(9))
    assert pools == started


def test_a_dead_process_is_explained_and_other_failures_are_left_as_they_are() -> None:
    pool = start_processes(1)
    try:
        assert list(prefetch(pool, abs, [-1, 2], depth=2)) == [1, 2]
        with pytest.raises(TypeError):
            list(prefetch(pool, abs, ["no number"], depth=2))
        with pytest.raises(DataError, match=r"a process that decodes images died.*--num_workers"):
            list(prefetch(pool, os._exit, [3], depth=2))
    finally:
        pool.shutdown()


# Oracle of the following: the system's own count of the pages that it had to provide.
BATCHES = """
import resource
from concurrent.futures import ThreadPoolExecutor
import numpy as np
from linearityiqa.machine import keep_freed_memory

def batch():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    blocks = [np.full(12_000_000, 1.0) for _ in range(2)]
    del blocks
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

if {keep}:
    keep_freed_memory()
if {thread}:
    pages = ThreadPoolExecutor(1).map(lambda _: batch(), range(4))
else:
    pages = (batch() for _ in range(4))
print(min(list(pages)[1:]))
"""


def pages_a_batch(*, keep: bool, thread: bool) -> int:
    """New pages of work that takes and frees 192 MB, from the second time on."""
    done = subprocess.run(
        [sys.executable, "-c", BATCHES.format(keep=keep, thread=thread)], capture_output=True, text=True, check=True
    )
    return int(done.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="a setting of glibc's malloc")
@pytest.mark.parametrize("thread", [False, True], ids=["main thread", "another thread"])
def test_a_batch_reuses_the_memory_of_the_batch_before(thread) -> None:
    assert pages_a_batch(keep=False, thread=thread) > 400
    assert pages_a_batch(keep=True, thread=thread) < 100


@pytest.mark.parametrize(
    ("module", "words"),
    [
        ("linearityiqa.cli.score", ["score", "photo.png"]),
        ("linearityiqa.cli.results", ["test", "--model", "none.safetensors", "--dataset", "none.csv"]),
        ("linearityiqa.models.device", ["train", "--dataset", "none.csv", "--device", "cpu"]),
        ("linearityiqa.models.device", ["crossval", "--dataset", "none.csv", "--device", "cpu"]),
    ],
)
def test_the_commands_ask_for_it(module, words, monkeypatch, tmp_path) -> None:
    (tmp_path / "photo.png").touch()
    monkeypatch.chdir(tmp_path)
    calls: list[int] = []
    monkeypatch.setattr(importlib.import_module(module), "keep_freed_memory", lambda: calls.append(1))
    main(words)
    assert calls == [1]
