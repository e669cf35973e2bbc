"""Oracles: views cut by hand from an image whose pixels are their own positions; the input; counts of what is held."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from linearityiqa.errors import ImageTooSmallError
from linearityiqa.images import ImageTransform
from linearityiqa.machine import BatchLimit, prefetch
from linearityiqa.scoring import Details, ImageScore, PreprocessedImage, Scorer, inference
from linearityiqa.scoring.inference import in_batches, in_order, spread, views
from linearityiqa.scoring.prepared import prepare
from pixel_runtime import PixelRuntime


def test_views_are_the_mirror_image_and_four_corners() -> None:
    batch = np.arange(2 * 3 * 16 * 24, dtype=np.float32).reshape(2, 3, 16, 24)
    mirrored, *corners = views(batch)
    np.testing.assert_array_equal(mirrored, batch[:, :, :, ::-1])
    expected = [batch[:, :, :14, :21], batch[:, :, :14, 3:], batch[:, :, 2:, :21], batch[:, :, 2:, 3:]]
    for corner, wanted in zip(corners, expected, strict=True):
        np.testing.assert_array_equal(corner, wanted)


def test_the_spread_is_the_deviation_of_six_scores() -> None:
    batch = np.random.default_rng(0).random((3, 3, 16, 16), dtype=np.float32)

    def predict(images: np.ndarray) -> np.ndarray:
        assert images.flags.c_contiguous
        return images[:, 0, 0, 0].astype(np.float64)

    top, left, bottom, right = 0, 0, 2, 2
    corners = [batch[:, 0, row, column] for row in (top, bottom) for column in (left, right)]
    expected = np.std([batch[:, 0, 0, 0], batch[:, 0, 0, 15], *corners], axis=0)
    np.testing.assert_allclose(spread(batch, predict(batch), predict), expected, rtol=1e-6)


def test_crops_that_do_not_fit_the_network_leave_no_spread() -> None:
    def predict(images: np.ndarray) -> np.ndarray:
        if images.shape[2] < 16:
            raise ImageTooSmallError("too small")
        return np.zeros(len(images))

    assert np.isnan(spread(np.zeros((2, 3, 16, 16), np.float32), np.zeros(2), predict)).all()


def prepared(pixels: np.ndarray) -> PreprocessedImage:
    return prepare(pixels, ImageTransform(), max_pixels=10**6)


@pytest.mark.parametrize("batch_size", [1, 2, 8])
def test_results_hold_it_only_on_request_whatever_the_batch(runtime: PixelRuntime, batch_size: int) -> None:
    flat, uneven = np.full((32, 40, 3), 90, np.uint8), np.zeros((32, 40, 3), np.uint8)
    uneven[:3] = 255
    small = np.zeros((16, 16, 3), np.uint8)
    images = [prepared(pixels) for pixels in (flat, uneven, small, uneven)]
    scorer = Scorer(runtime, batch_size=batch_size)
    assert [result.uncertainty for result in scorer.score_batch(images)] == [None] * 4
    alike, unlike, unknown, again = scorer.score_batch(images, Details(uncertainty=True))
    assert alike.uncertainty == pytest.approx(0, abs=1e-5)
    assert unlike.uncertainty == again.uncertainty
    # the upper crops hold 3 of 28 bright rows, the lower ones none of them: 4 pixels are cut off
    shares = np.array([3 / 32, 3 / 32, 3 / 28, 3 / 28, 0, 0])
    step = scorer.score(np.full((32, 40, 3), 255, np.uint8)) - scorer.score(np.zeros((32, 40, 3), np.uint8))
    assert unlike.uncertainty == pytest.approx(step * np.std(shares), rel=1e-4)
    assert unknown.uncertainty is None
    assert unknown.score is not None


SIZES = [(8, 8), (8, 4), (4, 8), None]


def image_of(size: tuple[int, int], name: str = "") -> PreprocessedImage:
    """An image of a size (height, width)."""
    return PreprocessedImage(name, Image.new("RGB", size[::-1]))


def finish(batch: list) -> list[tuple[int, ImageScore]]:
    return [
        (number, image if isinstance(image, ImageScore) else ImageScore(image.name, 1.0)) for number, image in batch
    ]


@given(st.lists(st.sampled_from(SIZES), max_size=60), st.integers(1, 5))
def test_every_image_is_scored_once_with_its_like_and_leaves_in_order(
    sizes: list[tuple[int, int] | None], batch_size: int
) -> None:
    held = set()
    taken = given_out = 0

    def images() -> Iterator[PreprocessedImage | ImageScore]:
        nonlocal taken
        for i, size in enumerate(sizes):
            assert len(held) < 4 * batch_size
            assert i - given_out < 4 * batch_size
            taken += 1
            if size is None:
                yield ImageScore(str(i), error="broken")
            else:
                held.add(str(i))
                yield image_of(size, str(i))

    def score(batch: list) -> list[tuple[int, ImageScore]]:
        assert 1 <= len(batch) <= batch_size
        assert len({getattr(image, "size", None) for _, image in batch}) == 1
        held.difference_update(str(number) for number, _ in batch)
        return finish(batch)

    results = []
    for result in in_order(map(score, in_batches(images(), BatchLimit(batch_size)))):
        results.append(result)
        given_out += 1
    assert taken == len(sizes)
    assert [result.path for result in results] == [str(i) for i in range(len(sizes))]
    assert [result.failed for result in results] == [size is None for size in sizes]
    assert not held


def batches_of(sizes: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """(images read so far, images) of each batch, of at most 8 images and 100 pixels."""
    read = 0

    def images() -> Iterator[PreprocessedImage]:
        nonlocal read
        for read, size in enumerate(sizes, 1):  # noqa: B007 - counted for the batches
            yield image_of(size)

    return [(read, len(batch)) for batch in in_batches(images(), BatchLimit(8, pixels=100))]


def test_batches_of_large_images_are_small() -> None:
    sizes = [(5, 10), (11, 10), (9, 10), (5, 10)]  # 50, 110, 90 pixels
    assert batches_of(sizes) == [(2, 1), (3, 1), (4, 2)]


def test_a_window_of_large_images_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inference, "WAITING_PIXELS", 400)
    sizes = [(1, 50), (2, 25), (5, 10), (10, 5), (25, 2), (50, 1), (1, 49), (49, 1), (1, 3)]  # 398 and 3 pixels
    assert batches_of(sizes)[0] == (9, 1)  # 4 x 100 may wait


@pytest.mark.parametrize("slow", [0, 1, 3])
def test_batches_depend_on_the_images_alone_not_on_how_fast_they_are_scored(slow: int) -> None:
    sizes = [SIZES[i * i % 3] for i in range(50)]
    expected = [[number for number, _ in batch] for batch in in_batches(numbered(sizes), BatchLimit(4))]
    started: list[list[int]] = []
    gate = threading.Event()

    def score(batch: list) -> list[tuple[int, ImageScore]]:
        started.append([number for number, _ in batch])
        if len(started) == slow:
            gate.wait(60)
        return finish(batch)

    threading.Timer(0.05, gate.set).start()
    with ThreadPoolExecutor(2) as executor:
        results = list(in_order(prefetch(executor, score, in_batches(numbered(sizes), BatchLimit(4)), 3)))
    assert [result.path for result in results] == [str(i) for i in range(len(sizes))]
    assert sorted(started) == sorted(expected)


def numbered(sizes: list[tuple[int, int]]) -> Iterator[PreprocessedImage]:
    return (image_of(size, str(i)) for i, size in enumerate(sizes))
