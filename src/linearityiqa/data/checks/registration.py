"""Similarity of two small pictures after registration of the second to the first."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from linearityiqa.extras import require

Images = NDArray[np.float32]
"""Pictures of one size, float32 (N, S, S)."""

LARGEST_SHIFT = 0.28
"""Bound on shift and change of scale, as parts of half the width: a crop of a tenth at one side is 0.1 and 0.1."""
NOISE = 4.0
"""Grey levels below which detail counts less, because it may be noise or traces of compression."""
LEAST_DETAIL = 0.35
"""Root mean square of the detail, after division by its contrast, below which a picture cannot be recognised.

0.5 % of 1,500 photographs of BIQ2021 have less: empty skies, walls, darkness.
"""
COARSE_SIMILARITY = 0.4
"""Pairs less similar at half the resolution are not compared any closer."""


def similarity(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the correlation of the detail of pairs of pictures, in -1..1, after the second is registered to the first.

    The second picture is shifted and stretched in both directions (four numbers) by Gauss-Newton steps on the squared
    difference, from coarse to fine, with a gain that makes brightness irrelevant, as in the registration of Lucas and
    Kanade. Then both are band-passed and divided by their local contrast, so that no part of the picture decides
    alone, freed from what all rows or all columns have in common, so that no horizon does, and correlated where they
    overlap. Pictures with next to no detail are like nothing. Both are uint8, shape (N, 64, 64).
    """
    a, b = first.astype(np.float32), second.astype(np.float32)
    half_a, half_b = _halved(a), _halved(b)
    place = np.zeros((len(a), 4), dtype=np.float32)
    for sigma, steps in ((1.5, 6), (0.75, 5)):
        place = _register(_band(half_a, sigma, 3.0), _band(half_b, sigma, 3.0), place, steps)
    result = _correlation(_detail(half_a, 0.35, 1.5, 3.0), _detail(half_b, 0.35, 1.5, 3.0), place, 0.0)
    close = np.flatnonzero(result >= COARSE_SIMILARITY)
    if len(close):
        a, b = a[close], b[close]
        place = _register(_band(a, 0.7, 6.0), _band(b, 0.7, 6.0), place[close], 4)
        result[close] = _correlation(_detail(a, 0.7, 3.0, 6.0), _detail(b, 0.7, 3.0, 6.0), place, LEAST_DETAIL)
    return result


def _halved(images: Images) -> Images:
    count, side, _ = images.shape
    return np.asarray(images.reshape(count, side // 2, 2, side // 2, 2).mean(axis=(2, 4)), dtype=np.float32)


def _blurred(images: Images, sigma: float) -> Images:
    gaussian_filter: Any = require("scipy.ndimage", "metrics").gaussian_filter
    return np.asarray(gaussian_filter(images, (0, sigma, sigma), mode="nearest", truncate=3.0), dtype=np.float32)


def _band(images: Images, fine: float, coarse: float) -> Images:
    """Return the band of frequencies between two blurs."""
    smooth = _blurred(images, fine)
    return smooth - _blurred(smooth, coarse)


def _detail(images: Images, fine: float, coarse: float, around: float) -> Images:
    """Return a band divided by its local contrast."""
    band = _band(images, fine, coarse)
    return np.asarray(band / np.sqrt(_blurred(band * band, around) + NOISE**2), dtype=np.float32)


def _register(a: Images, b: Images, place: Images, steps: int) -> Images:
    """Return better places, float32 (N, 4), of the second pictures on the first.

    A place is (shift, stretch) horizontally, then vertically, as parts of half the width.
    """
    count, side, _ = a.shape
    rows, columns = np.gradient(b, axis=1), np.gradient(b, axis=2)
    along = np.linspace(-1, 1, side, dtype=np.float32)
    half = np.float32((side - 1) / 2)
    for _ in range(steps):
        warp, mask = _warp(place, side)
        warped, dx, dy = warp(b), warp(columns) * half, warp(rows) * half
        energy = (warped * warped * mask).sum(axis=(1, 2)) + 1e-6
        gain = np.maximum((a * warped * mask).sum(axis=(1, 2)) / energy, 0.05)[:, None, None]
        error = ((a / gain - warped) * mask).reshape(count, -1, 1)
        slopes = np.stack([dx, dx * along, dy, dy * along[:, None]], axis=1) * mask[:, None]
        slopes = slopes.reshape(count, 4, -1)
        normal = slopes @ slopes.transpose(0, 2, 1)
        damping = 0.01 * np.trace(normal, axis1=1, axis2=2) / 4 + 1e-3
        normal += damping[:, None, None] * np.eye(4, dtype=np.float32)
        change = np.linalg.solve(normal, slopes @ error)[..., 0]
        place = np.clip(place + np.clip(change, -0.06, 0.06), -LARGEST_SHIFT, LARGEST_SHIFT).astype(np.float32)
    return place


def _warp(place: Images, side: int) -> tuple[Any, Images]:
    """Return the function that warps pictures to these places (bilinear), and a mask of the pixels inside them.

    Shift and stretch act on rows and columns separately, so two small matrices do it.
    """
    along = np.linspace(-1, 1, side, dtype=np.float32)
    half = np.float32((side - 1) / 2)
    x = half * (1 + along + place[:, 0:1] + place[:, 1:2] * along)
    y = half * (1 + along + place[:, 2:3] + place[:, 3:4] * along)
    pixels = np.arange(side, dtype=np.float32)
    to_columns = np.maximum(0, 1 - np.abs(pixels[:, None] - x[:, None, :]))
    to_rows = np.maximum(0, 1 - np.abs(y[:, :, None] - pixels))
    inside = [((c >= 0) & (c <= side - 1)).astype(np.float32) for c in (x, y)]
    mask = inside[1][:, :, None] * inside[0][:, None, :]
    return (lambda images: to_rows @ images @ to_columns), mask


def _correlation(a: Images, b: Images, place: Images, least: float) -> NDArray[np.float32]:
    """Correlate two sets of pictures where they overlap, (N,); 0 where one has less detail than `least`."""
    warp, mask = _warp(place, a.shape[1])
    first, second = _centred(a, mask), _centred(warp(b), mask)
    pixels = np.maximum(mask.sum(axis=(1, 2)), 1)
    energies = [(each * each).sum(axis=(1, 2)) for each in (first, second)]
    detailed = np.minimum(*energies) >= least**2 * pixels
    products = (first * second).sum(axis=(1, 2)) / np.maximum(np.sqrt(energies[0] * energies[1]), 1e-6)
    return np.asarray(np.where(detailed, products, 0), dtype=np.float32)


def _centred(images: Images, mask: Images) -> Images:
    """Return the pictures inside their masks, which are rectangles, without the means of their rows and columns."""
    inside = images * mask
    for axis in (1, 2):
        counts = np.maximum(mask.sum(axis=axis, keepdims=True), 1)
        inside = (inside - inside.sum(axis=axis, keepdims=True) / counts) * mask
    return inside
