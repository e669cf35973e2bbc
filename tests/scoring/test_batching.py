"""Oracle: the input itself (order, completeness), and counts of what is held at any time."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from linearityiqa.scoring import ImageScore, batching
from linearityiqa.scoring.batching import Slot, Window, ahead

SIZES = [(8, 8), (8, 4), (4, 8), None]


@given(st.lists(st.sampled_from(SIZES), max_size=60), st.integers(1, 5))
def test_every_slot_is_scored_once_with_its_like_and_leaves_in_order(
    sizes: list[tuple[int, int] | None], batch_size: int
) -> None:
    held = set()

    def score(slots: list[Slot]) -> None:
        assert 1 <= len(slots) <= batch_size
        assert len({slot.size for slot in slots}) == 1
        for slot in slots:
            slot.finish(ImageScore(slot.path, 1.0))
            held.remove(slot.path)

    window, results = Window(score, batch_size), []
    for i, size in enumerate(sizes):
        if size is None:
            slot = Slot(str(i), result=ImageScore(str(i), error="broken"))
        else:
            slot = Slot(str(i), pixels=np.zeros((3, *size), np.float32))
            held.add(slot.path)
        results += window.add(slot)
        assert len(held) < 4 * batch_size
        assert i + 1 - len(results) < 4 * batch_size
    results += window.drain()
    assert [result.path for result in results] == [str(i) for i in range(len(sizes))]
    assert [result.failed for result in results] == [size is None for size in sizes]
    assert not held


@pytest.fixture
def batches(monkeypatch: pytest.MonkeyPatch) -> tuple[Window, list[int]]:
    """A window whose batches have at most 8 images and 100 pixels, and the number of images of each batch."""
    monkeypatch.setattr(batching, "MAX_PIXELS_PER_BATCH", 100)
    counts = []

    def score(slots: list[Slot]) -> None:
        counts.append(len(slots))
        for slot in slots:
            slot.finish(ImageScore(slot.path, 1.0))

    return Window(score, 8), counts


def test_batches_of_large_images_are_small(batches: tuple[Window, list[int]]) -> None:
    window, counts = batches
    sizes = [(5, 10), (11, 10), (9, 10), (5, 10)]  # 50, 110, 90 pixels
    results = [len(list(window.add(Slot("", pixels=np.zeros((3, *size), np.float32))))) for size in sizes]
    assert counts == [1, 1, 2]
    assert results == [0, 0, 0, 4]


def test_a_window_of_large_images_is_short(batches: tuple[Window, list[int]]) -> None:
    window, _ = batches
    sizes = [(1, 50), (2, 25), (5, 10), (10, 5), (25, 2), (50, 1), (1, 49), (49, 1), (1, 3)]  # 398 and 3 pixels
    results = [len(list(window.add(Slot("", pixels=np.zeros((3, *size), np.float32))))) for size in sizes]
    assert results == [0] * 8 + [1]  # 4 x 100 may wait


def test_ahead_keeps_order_and_reads_no_further_than_its_depth() -> None:
    taken = 0

    def endless() -> Iterator[int]:
        nonlocal taken
        while True:
            taken += 1
            yield taken

    with ThreadPoolExecutor(2) as executor:
        squares = ahead(executor, lambda x: x * x, endless(), depth=3)
        for i in range(1, 20):
            assert next(squares) == i * i
            assert taken <= i + 3
        squares.close()  # type: ignore[attr-defined]


def test_ahead_ends_with_its_items() -> None:
    with ThreadPoolExecutor(2) as executor:
        assert list(ahead(executor, str, range(5), depth=9)) == list("01234")
        assert list(ahead(executor, str, [], depth=9)) == []
