"""Pairs of images: does a method see which pairs people tell apart, and which image of them is better?

Needs the standard deviation and the number of each image's ratings: whether two MOS differ is a question of their
uncertainty. With d = MOS_i - MOS_j and se^2 = std_i^2 / ratings_i + std_j^2 / ratings_j, z = d / se.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from linearityiqa.errors import DataError
from linearityiqa.extras import require
from linearityiqa.metrics.correlation import checked
from linearityiqa.metrics.resampling import FloatArray

MAX_PAIRS = 3_000_000
"""Most pairs that are analysed, those of about 2,450 images; of more, this many are drawn at random."""
_WINDOWS = 10


@dataclass(frozen=True, kw_only=True)
class PairAnalysis:
    """Krasula's analysis of pairs, and the resolving power.

    Attributes:
        pairs: number of pairs looked at.
        different: of them, pairs whose MOS differ significantly.
        auc_different_similar: area under the ROC curve of |difference of predictions| as a sign that a pair is
            different, in [0, 1]; 0.5 is chance. None where all pairs are different, or all similar.
        auc_better_worse: the same of the signed difference as a sign of which image is better, among different pairs.
            None without different pairs.
        correct: share of the different pairs whose better image has the higher prediction.
        resolving_power: by confidence (0.95, 0.75), the difference of mapped predictions above which people's scores
            differ in the same direction with that mean confidence; None where no difference reaches it.
    """

    pairs: int
    different: int
    auc_different_similar: float | None
    auc_better_worse: float | None
    correct: float | None
    resolving_power: dict[float, float | None]


def analyse_pairs(
    predictions: ArrayLike,
    mos: ArrayLike,
    std: ArrayLike,
    ratings: ArrayLike | float,
    *,
    level: float = 0.05,
    seed: int = 0,
) -> PairAnalysis:
    """Analyse the pairs of a set of images.

    Different and similar pairs, better and worse images: Krasula, Fliegel, Le Callet, Klima, QoMEX 2016; a pair is
    different where |z| is above the two-sided limit of `level`. Predictions that fall as the MOS rises are turned.

    Resolving power: ITU-T J.149 (2004), clause 4.3: each pair is turned so that its difference of predictions is
    positive; Phi(z) is averaged over 19 windows, each a tenth of the range of differences wide, which overlap by half;
    the resolving power at 95 % is where that mean, linear between the centres of the windows, last rises to 0.95.

    Args:
        predictions: shape (N,); the resolving power is in their units, so map them to the scale of `mos` first.
        mos: shape (N,).
        std: standard deviation of each image's ratings, on the scale of `mos`, shape (N,).
        ratings: number of each image's ratings, shape (N,), or one number for all.
        level: significance level of a pair's difference.
        seed: of the draw of pairs, where there are more than `MAX_PAIRS`.

    Raises:
        DataError: as `agreement`; a negative standard deviation, fewer than 1 rating, or a level not between 0 and 1.
        MissingExtraError: SciPy is not installed.
    """
    number = np.full(len(np.atleast_1d(mos)), ratings) if np.ndim(ratings) == 0 else ratings
    x, y, deviation, number = checked(predictions=predictions, mos=mos, std=std, ratings=number)
    if (deviation < 0).any() or (number < 1).any() or not 0 < level < 1:
        raise DataError("pairs need standard deviations >= 0, at least 1 rating an image, and a level between 0 and 1")
    first, second = _pairs(len(x), seed)
    special = require("scipy.special", "metrics")
    gap, error = y[first] - y[second], np.hypot(*((deviation / np.sqrt(number))[side] for side in (first, second)))
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.where(gap == 0, 0.0, gap / error)
    predicted = x[first] - x[second]
    # the resolving power asks for the direction that the predictions give, whichever way they run
    direction = -1.0 if float(np.sum(np.sign(predicted) * np.sign(gap))) < 0 else 1.0
    predicted = direction * predicted
    different = np.abs(z) > special.ndtri(1 - level / 2)
    signed, better = predicted[different], gap[different] > 0
    return PairAnalysis(
        pairs=len(z),
        different=int(different.sum()),
        auc_different_similar=_auc(np.abs(predicted), different),
        # each pair in both orders, so that the figure does not depend on which image comes first
        auc_better_worse=_auc(np.concatenate([signed, -signed]), np.concatenate([better, ~better])),
        correct=float(np.mean(np.where(better, signed, -signed) > 0)) if len(signed) else None,
        resolving_power=_resolving_power(predicted, z, (0.95, 0.75)),
    )


def _pairs(n: int, seed: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return both images of every pair, or of `MAX_PAIRS` different pairs drawn."""
    if n * (n - 1) // 2 <= MAX_PAIRS:
        first, second = np.triu_indices(n, 1)
        return first, second
    numbers = np.random.default_rng(seed).choice(n * (n - 1) // 2, MAX_PAIRS, replace=False, shuffle=False)
    # pair number k of (1, 0), (2, 0), (2, 1), (3, 0) ...
    larger = ((1 + np.sqrt(1 + 8 * numbers.astype(np.float64))) / 2).astype(np.intp)
    larger -= larger * (larger - 1) // 2 > numbers
    larger += larger * (larger + 1) // 2 <= numbers
    return larger, (numbers - larger * (larger - 1) // 2).astype(np.intp)


def _auc(scores: FloatArray, positive: NDArray[np.bool_]) -> float | None:
    """Return the area under the ROC curve: the share of pairs whose positive scores higher, ties half."""
    positives = int(positive.sum())
    negatives = len(positive) - positives
    if not positives or not negatives:
        return None
    ranks = require("scipy.stats", "metrics").rankdata(scores)
    return float((ranks[positive].sum() - positives * (positives + 1) / 2) / positives / negatives)


def _resolving_power(predicted: FloatArray, z: FloatArray, confidences: tuple[float, ...]) -> dict[float, float | None]:
    size = np.abs(predicted)
    confidence = require("scipy.special", "metrics").ndtr(np.where(predicted < 0, -z, z))
    low, width = float(size.min()), float(np.ptp(size)) / _WINDOWS
    nothing: dict[float, float | None] = dict.fromkeys(confidences)
    if width == 0:
        return nothing
    order = np.argsort(size)
    size, sums = size[order], np.concatenate([[0.0], np.cumsum(confidence[order])])
    starts = low + width / 2 * np.arange(2 * _WINDOWS - 1)
    first, last = np.searchsorted(size, starts), np.searchsorted(size, starts + width)
    last[-1] = len(size)  # the last window includes its end
    filled = last > first
    means = (sums[last] - sums[first])[filled] / (last - first)[filled]
    centres = (starts + width / 2)[filled]
    return {wanted: _last_crossing(centres, means, wanted) for wanted in confidences}


def _last_crossing(centres: NDArray[np.floating], means: NDArray[np.floating], wanted: float) -> float | None:
    """Return the difference at which the mean confidence rises to the wanted one and stays above."""
    below = np.flatnonzero(means < wanted)
    if not len(below):
        return float(centres[0])
    at = int(below[-1])
    if at + 1 == len(means):
        return None
    share = (wanted - means[at]) / (means[at + 1] - means[at])
    found = float(centres[at] + share * (centres[at + 1] - centres[at]))
    return found if math.isfinite(found) else None
