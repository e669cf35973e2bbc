"""Oracle: views cut by hand from an image whose pixels are their own positions."""

import numpy as np
import pytest

from linearityiqa.errors import ImageTooSmallError
from linearityiqa.images import ImageTransform
from linearityiqa.scoring import Details, PreprocessedImage, Scorer
from linearityiqa.scoring.inference import spread, views
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
