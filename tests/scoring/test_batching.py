"""Oracle: the input itself (order, completeness), and counts of what is held at any time."""

import threading
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from linearityiqa.data.workers import BatchLimit
from linearityiqa.scoring import ImageScore, Prepared, batching
from linearityiqa.scoring.batching import Lanes, Slot, Window, in_order

SIZES = [(8, 8), (8, 4), (4, 8), None]


def slot_of(size: tuple[int, int], path: str = "") -> Slot:
    """A slot with an image of a size (height, width)."""
    return Slot(path, Prepared(path, Image.new("RGB", size[::-1])))


def finished() -> Future[None]:
    future: Future[None] = Future()
    future.set_result(None)
    return future


@given(st.lists(st.sampled_from(SIZES), max_size=60), st.integers(1, 5))
def test_every_slot_is_scored_once_with_its_like_and_leaves_in_order(
    sizes: list[tuple[int, int] | None], batch_size: int
) -> None:
    held = set()

    def start(slots: list[Slot]) -> Future[None]:
        assert 1 <= len(slots) <= batch_size
        assert len({slot.image.size for slot in slots if slot.image}) == 1
        for slot in slots:
            slot.finish(ImageScore(slot.path, 1.0))
            held.remove(slot.path)
        return finished()

    window, results = Window(start, BatchLimit(batch_size)), []
    for i, size in enumerate(sizes):
        if size is None:
            slot = Slot(str(i), result=ImageScore(str(i), error="broken"))
        else:
            slot = slot_of(size, str(i))
            held.add(slot.path)
        results += [slot.wait() for slot in window.add(slot)]
        assert len(held) < 4 * batch_size
        assert i + 1 - len(results) < 4 * batch_size
    results += [slot.wait() for slot in window.drain()]
    assert [result.path for result in results] == [str(i) for i in range(len(sizes))]
    assert [result.failed for result in results] == [size is None for size in sizes]
    assert not held


@pytest.fixture
def batches() -> tuple[Window, list[int]]:
    """A window whose batches have at most 8 images and 100 pixels, and the number of images of each batch."""
    counts = []

    def start(slots: list[Slot]) -> Future[None]:
        counts.append(len(slots))
        for slot in slots:
            slot.finish(ImageScore(slot.path, 1.0))
        return finished()

    return Window(start, BatchLimit(8, pixels=100)), counts


def test_batches_of_large_images_are_small(batches: tuple[Window, list[int]]) -> None:
    window, counts = batches
    sizes = [(5, 10), (11, 10), (9, 10), (5, 10)]  # 50, 110, 90 pixels
    results = [len(list(window.add(slot_of(size)))) for size in sizes]
    assert counts == [1, 1, 2]
    assert results == [0, 0, 0, 4]


def test_a_window_of_large_images_is_short(batches: tuple[Window, list[int]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batching, "WAITING_PIXELS", 400)
    window, _ = batches
    sizes = [(1, 50), (2, 25), (5, 10), (10, 5), (25, 2), (50, 1), (1, 49), (49, 1), (1, 3)]  # 398 and 3 pixels
    results = [len(list(window.add(slot_of(size)))) for size in sizes]
    assert results == [0] * 8 + [1]  # 4 x 100 may wait


def test_batches_depend_on_the_images_alone_not_on_how_fast_they_are_scored() -> None:
    sizes = [SIZES[i * i % 3] for i in range(50)]

    def batches_where(delayed: bool) -> list[list[str]]:
        started: list[list[str]] = []
        gate = threading.Event()

        def score(slots: list[Slot]) -> None:
            started.append([slot.path for slot in slots])
            gate.wait() if delayed and len(started) == 1 else None
            for slot in slots:
                slot.finish(ImageScore(slot.path, 1.0))

        with ThreadPoolExecutor(2) as executor:
            window = Window(Lanes(executor, 2, score).start, BatchLimit(4))
            threading.Timer(0.05, gate.set).start()
            slots = (ready for i, size in enumerate(sizes) for ready in window.add(slot_of(size, str(i))))
            results = [*in_order(slots, 16), *in_order(window.drain(), 16)]
        assert [result.path for result in results] == [str(i) for i in range(len(sizes))]
        return sorted(started)

    assert batches_where(delayed=True) == batches_where(delayed=False)


def test_few_batches_are_under_way_at_a_time() -> None:
    running = threading.Semaphore(0)
    started = finished_batches = 0

    def score(slots: list[Slot]) -> None:
        nonlocal finished_batches
        running.acquire()
        finished_batches += 1
        slots[0].finish(ImageScore(""))

    with ThreadPoolExecutor(2) as executor:
        lanes = Lanes(executor, 2, score)
        for _ in range(10):
            threading.Timer(0.005, running.release).start()
            lanes.start([slot_of((1, 1))])
            started += 1
            assert started - finished_batches <= 3


def test_a_batch_that_fails_fails_its_slots() -> None:
    def broken(_: list[Slot]) -> None:
        raise ValueError("unforeseen")

    with ThreadPoolExecutor(1) as executor:
        slot = slot_of((1, 1))
        slot.batch = Lanes(executor, 1, broken).start([slot])
        with pytest.raises(ValueError, match="unforeseen"):
            list(in_order([slot], 1))
