"""Spatial pyramid pooling of feature maps of any size to a vector of fixed length."""

import torch
from torch import Tensor

from linearityiqa.config import PoolMethod
from linearityiqa.errors import ConfigError, ImageTooSmallError

_VALUES_PER_WINDOW: dict[PoolMethod, int] = {"avg": 1, "max": 1, "min": 1, "std": 1, "maxmin": 2, "mean-std": 2}


def pooled_features(channels: int, levels: int, method: PoolMethod) -> int:
    """Length of the vector that `spatial_pyramid_pool` makes.

    >>> pooled_features(256, levels=3, method="mean-std") == 256 * 2 * (1 + 4 + 9)
    True
    """
    return channels * _VALUES_PER_WINDOW[method] * sum(level * level for level in range(1, levels + 1))


def spatial_pyramid_pool(maps: Tensor, levels: int, method: PoolMethod) -> Tensor:
    """Statistics of the maps' windows on 1 x 1, 2 x 2, ... grids.

    Level n lays windows of (H // n, W // n) side by side; what is left over at the right and lower edge is ignored.

    Args:
        maps: feature maps, shape (N, C, H, W).
        levels: number of grids P.
        method: avg, max, min, std, maxmin (max, then min) or mean-std (mean, then std) of each window.

    Returns:
        Shape (N, C * values per window * (1 + 4 + ... + P * P)); within a level the order is statistic, channel, row,
        column.

    Raises:
        ImageTooSmallError: some level's grid is not n x n; names the smallest map, at least as large, that works.
    """
    height, width = maps.shape[-2:]
    # a grid of one window fits any map; asking would tie an exported network to the size it was traced with
    if levels > 1 and not (divides(height, levels) and divides(width, levels)):
        raise ImageTooSmallError(
            f"{levels} pyramid levels do not fit on feature maps of {height} x {width}; the smallest size that works "
            f"is {smallest_size(height, levels)} x {smallest_size(width, levels)}. Use larger images or fewer levels."
        )
    pooled = [_window_statistics(_windows(maps, level), method) for level in range(1, levels + 1)]
    return torch.cat([statistic.flatten(1) for level in pooled for statistic in level], dim=1)


def divides(size: int, levels: int) -> bool:
    """Whether every level n = 1..levels lays exactly n windows of `size` // n along a side of `size`.

    >>> [size for size in range(12) if divides(size, levels=3)]  # 8 gives four windows of 2 where level 3 wants three
    [6, 7, 9, 10, 11]
    """
    return all(size >= level and size // (size // level) == level for level in range(1, levels + 1))


def smallest_size(size: int, levels: int) -> int:
    """The smallest side, at least `size`, that every level divides.

    >>> smallest_size(1, levels=2), smallest_size(3, levels=2), smallest_size(8, levels=3)
    (2, 4, 9)
    """
    size = max(size, 1)
    while not divides(size, levels):  # ends: every side of at least levels**2 works
        size += 1
    return size


def _windows(maps: Tensor, level: int) -> Tensor:
    """The windows of a level, shape (N, C, level, level, pixels of a window)."""
    height, width = maps.shape[-2] // level, maps.shape[-1] // level
    covered = maps[..., : level * height, : level * width]
    rows = covered.reshape(*maps.shape[:2], level, height, level, width)
    return rows.transpose(3, 4).flatten(4)


def _window_statistics(windows: Tensor, method: PoolMethod) -> list[Tensor]:
    match method:
        case "avg":
            return [windows.mean(-1)]
        case "max":
            return [windows.max(-1).values]
        case "min":
            return [windows.min(-1).values]
        case "std":
            return [_standard_deviation(windows)]
        case "maxmin":
            return [windows.max(-1).values, windows.min(-1).values]
        case "mean-std":
            return [windows.mean(-1), _standard_deviation(windows)]
    raise ConfigError(f"unknown pooling method {method!r}")


def _standard_deviation(windows: Tensor) -> Tensor:
    variance = torch.relu(windows.square().mean(-1) - windows.mean(-1).square())
    # the slope of the root is infinite at 0, where a constant window stands; 0 is a subgradient there
    positive = variance > 0
    return torch.where(positive, torch.where(positive, variance, 1.0).sqrt(), 0.0)
