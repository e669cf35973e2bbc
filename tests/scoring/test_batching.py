"""Oracle: the input itself (order, completeness), and counts of what is held at any time."""

import threading
from collections.abc import Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from linearityiqa.data.loading.samplers import BatchLimit
from linearityiqa.scoring import ImageScore, PreprocessedImage, batching
from linearityiqa.scoring.batching import Slot, in_batches, in_lanes, in_order

SIZES = [(8, 8), (8, 4), (4, 8), None]


def slot_of(size: tuple[int, int], path: str = "") -> Slot:
    """A slot with an image of a size (height, width)."""
    return Slot(path, PreprocessedImage(path, Image.new("RGB", size[::-1])))


def finish(slots: list[Slot]) -> list[Slot]:
    for slot in slots:
        if slot.image is not None:
            slot.finish(ImageScore(slot.path, 1.0))
    return slots


@given(st.lists(st.sampled_from(SIZES), max_size=60), st.integers(1, 5))
def test_every_slot_is_scored_once_with_its_like_and_leaves_in_order(
    sizes: list[tuple[int, int] | None], batch_size: int
) -> None:
    held = set()
    taken = given_out = 0

    def slots() -> Iterator[Slot]:
        nonlocal taken
        for i, size in enumerate(sizes):
            assert len(held) < 4 * batch_size
            assert i - given_out < 4 * batch_size
            taken += 1
            if size is None:
                yield Slot(str(i), result=ImageScore(str(i), error="broken"))
            else:
                held.add(str(i))
                yield slot_of(size, str(i))

    def score(slots: list[Slot]) -> list[Slot]:
        assert 1 <= len(slots) <= batch_size
        assert len({slot.image.size if slot.image else None for slot in slots}) == 1
        held.difference_update(slot.path for slot in slots)
        return finish(slots)

    results = []
    for result in in_order(map(score, in_batches(slots(), BatchLimit(batch_size)))):
        results.append(result)
        given_out += 1
    assert taken == len(sizes)
    assert [result.path for result in results] == [str(i) for i in range(len(sizes))]
    assert [result.failed for result in results] == [size is None for size in sizes]
    assert not held


def batches_of(sizes: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """(images read so far, images) of each batch, of at most 8 images and 100 pixels."""
    read = 0

    def slots() -> Iterator[Slot]:
        nonlocal read
        for read, size in enumerate(sizes, 1):  # noqa: B007 - counted for the batches
            yield slot_of(size)

    return [(read, len(batch)) for batch in in_batches(slots(), BatchLimit(8, pixels=100))]


def test_batches_of_large_images_are_small() -> None:
    sizes = [(5, 10), (11, 10), (9, 10), (5, 10)]  # 50, 110, 90 pixels
    assert batches_of(sizes) == [(2, 1), (3, 1), (4, 2)]


def test_a_window_of_large_images_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batching, "WAITING_PIXELS", 400)
    sizes = [(1, 50), (2, 25), (5, 10), (10, 5), (25, 2), (50, 1), (1, 49), (49, 1), (1, 3)]  # 398 and 3 pixels
    assert batches_of(sizes)[0] == (9, 1)  # 4 x 100 may wait


@pytest.mark.parametrize("slow", [0, 1, 3])
def test_batches_depend_on_the_images_alone_not_on_how_fast_they_are_scored(slow: int) -> None:
    sizes = [SIZES[i * i % 3] for i in range(50)]
    expected = [[slot.path for slot in batch] for batch in in_batches(numbered(sizes), BatchLimit(4))]
    started: list[list[str]] = []
    gate = threading.Event()

    def score(slots: list[Slot]) -> list[Slot]:
        started.append([slot.path for slot in slots])
        if len(started) == slow:
            gate.wait(60)
        return finish(slots)

    threading.Timer(0.05, gate.set).start()
    with ThreadPoolExecutor(2) as executor:
        results = list(in_order(in_lanes(executor, score, in_batches(numbered(sizes), BatchLimit(4)), 2)))
    assert [result.path for result in results] == [str(i) for i in range(len(sizes))]
    assert sorted(started) == sorted(expected)


def numbered(sizes: list[tuple[int, int]]) -> Iterator[Slot]:
    return (slot_of(size, str(i)) for i, size in enumerate(sizes))


def test_few_batches_are_under_way() -> None:
    read = 0

    def batches() -> Iterator[list[Slot]]:
        nonlocal read
        for read in range(1, 11):  # noqa: B007 - counted for the test
            yield [slot_of((1, 1))]

    with ThreadPoolExecutor(2) as executor:
        gate = threading.Event()
        for _ in range(2):
            executor.submit(gate.wait, 60)  # both threads are busy
        threading.Timer(0.05, gate.set).start()
        for given_out, _ in enumerate(in_lanes(executor, finish, batches(), 2)):
            assert read <= given_out + 3
    assert read == 10


def test_a_batch_is_given_as_soon_as_it_is_known() -> None:
    class AtOnce(Executor):
        def submit(self, function, *arguments):
            future = Future()
            future.set_result(function(*arguments))
            return future

    batches = iter([[slot_of((1, 1))] for _ in range(5)])
    assert next(in_lanes(AtOnce(), finish, batches, 3))[0].result is not None
    assert len(list(batches)) == 4


def test_a_batch_that_fails_is_raised_in_its_turn() -> None:
    def broken(_: list[Slot]) -> list[Slot]:
        raise ValueError("unforeseen")

    with ThreadPoolExecutor(1) as executor, pytest.raises(ValueError, match="unforeseen"):
        list(in_lanes(executor, broken, [[slot_of((1, 1))]], 1))


def test_a_batch_that_does_not_finish_its_slots_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="without finishing"):
        list(in_order(in_batches([slot_of((1, 1))], BatchLimit(1))))
