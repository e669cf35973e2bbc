"""Oracle: the items themselves, and the operating system."""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from linearityiqa.data.loading import processes
from linearityiqa.data.loading.processes import each_in_processes, prefetch, start_processes, translate_errors
from linearityiqa.errors import DataError


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

    monkeypatch.setattr(processes, "start_processes", threads)
    assert list(each_in_processes(negatives, range(150), workers)) == negatives(range(150))
    assert list(each_in_processes(negatives, range(9), workers)) == negatives(range(9))
    assert pools == started


def test_a_dead_process_is_explained_and_other_failures_are_left_as_they_are() -> None:
    pool = start_processes(1)
    try:
        assert list(prefetch(pool, abs, [-1, 2], depth=2)) == [1, 2]
        with pytest.raises(TypeError), translate_errors():
            list(prefetch(pool, abs, ["no number"], depth=2))
        with pytest.raises(DataError, match=r"a process that decodes images died.*--num_workers"), translate_errors():
            list(prefetch(pool, os._exit, [3], depth=2))
    finally:
        pool.shutdown()
