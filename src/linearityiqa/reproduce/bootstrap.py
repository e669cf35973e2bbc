"""Bootstrap intervals of the agreement with MOS, over the images."""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from linearityiqa.extras import require

RESAMPLES = 1000
CONFIDENCE = 0.95


def bootstrap_interval(
    metric: str, predicted: NDArray[np.float64], mos: NDArray[np.float64], seed: int = 0
) -> tuple[float, float] | None:
    """The 95 % bootstrap interval of an agreement over the images, bias-corrected and accelerated (Efron, 1987).

    Args:
        metric: "SROCC", "PLCC" or "RMSE".
        predicted: predictions on the scale of the MOS, shape (N,).
        mos: mean opinion scores, shape (N,).
        seed: of the resamples.

    Returns:
        (low, high), or None where there is no interval: fewer than 4 images, or constant scores.

    Raises:
        MissingExtraError: SciPy is not installed.
    """
    if len(mos) < 4 or np.ptp(predicted) == 0 or np.ptp(mos) == 0:
        return None
    result = require("scipy.stats", "metrics").bootstrap(
        (predicted, mos),
        _STATISTICS[metric],
        paired=True,
        vectorized=True,
        n_resamples=RESAMPLES,
        batch=100,  # bounds the memory of resamples and jackknife
        confidence_level=CONFIDENCE,
        method="BCa",
        random_state=np.random.default_rng(seed),
    )
    low, high = (float(bound) for bound in result.confidence_interval)
    return (low, high) if math.isfinite(low) and math.isfinite(high) else None


def _pearson(x: NDArray[np.float64], y: NDArray[np.float64], axis: int = -1) -> NDArray[np.float64]:
    x = x - x.mean(axis=axis, keepdims=True)
    y = y - y.mean(axis=axis, keepdims=True)
    return np.asarray((x * y).sum(axis=axis) / np.sqrt((x**2).sum(axis=axis) * (y**2).sum(axis=axis)))


def _spearman(x: NDArray[np.float64], y: NDArray[np.float64], axis: int = -1) -> NDArray[np.float64]:
    rank = require("scipy.stats", "metrics").rankdata
    return _pearson(rank(x, axis=axis), rank(y, axis=axis), axis)


def _root_mean_square(x: NDArray[np.float64], y: NDArray[np.float64], axis: int = -1) -> NDArray[np.float64]:
    return np.asarray(np.sqrt(((x - y) ** 2).mean(axis=axis)))


# the agreement of many resamples at once, which the functions of `metrics` take one by one
_STATISTICS: dict[str, Callable[..., NDArray[np.float64]]] = {
    "SROCC": _spearman,
    "PLCC": _pearson,
    "RMSE": _root_mean_square,
}
