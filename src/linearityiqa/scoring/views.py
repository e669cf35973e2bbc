"""The spread of a score over views of its image that people would rate alike: its mirror image, and crops."""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from linearityiqa.errors import ImageTooSmallError

CROP = 7 / 8
"""Sides of a crop, as a share of the image's."""


def views(batch: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
    """The mirror images of a batch (N, 3, H, W), and its crops at the four corners, unscaled."""
    yield batch[..., ::-1]
    height, width = (max(1, int(CROP * side)) for side in batch.shape[2:])
    for rows in (slice(None, height), slice(-height, None)):
        for columns in (slice(None, width), slice(-width, None)):
            yield batch[..., rows, columns]


def spread(
    batch: NDArray[np.float32],
    scores: NDArray[np.float64],
    predict: Callable[[NDArray[np.float32]], NDArray[np.float64]],
) -> NDArray[np.float64]:
    """Standard deviation (population) of each image's score over six views: itself, its mirror image, four crops.

    The crops have 7/8 of the height and of the width, lie in the corners and are not rescaled: resampling would
    change the quality. The spread says how much the score hangs on framing; it is no confidence interval of the MOS.

    Args:
        batch: normalised images, shape (N, 3, H, W).
        scores: their own scores, shape (N,).
        predict: scores (N,) of a contiguous batch of any size.

    Returns:
        Shape (N,), on the scale of the scores; not a number where the crops are too small for the network.
    """
    try:
        others = [predict(np.ascontiguousarray(view)) for view in views(batch)]
    except ImageTooSmallError:
        return np.full(len(batch), np.nan)
    deviations: NDArray[np.float64] = np.std([scores, *others], axis=0)
    return deviations
