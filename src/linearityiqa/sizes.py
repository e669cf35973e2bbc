"""Image sizes that a network takes, by the sizes of its feature maps and the grids of its pyramid pooling."""

from collections.abc import Sequence
from dataclasses import dataclass

from linearityiqa.config import ModelConfig
from linearityiqa.errors import ImageTooSmallError


def divides(size: int, levels: int) -> bool:
    """Return whether exactly n windows of `size` // n fit along a side of `size`, for every level n = 1..levels.

    >>> [size for size in range(12) if divides(size, levels=3)]  # 8 gives four windows of 2 where level 3 wants three
    [6, 7, 9, 10, 11]
    """
    return all(size >= level and size // (size // level) == level for level in range(1, levels + 1))


def smallest_size(size: int, levels: int) -> int:
    """Return the smallest side, at least `size`, that every level divides.

    >>> smallest_size(1, levels=2), smallest_size(3, levels=2), smallest_size(8, levels=3)
    (2, 4, 9)
    """
    size = max(size, 1)
    while not divides(size, levels):  # ends: every side of at least levels**2 works
        size += 1
    return size


@dataclass(frozen=True)
class TapGeometry:
    """Side of a tap's feature map, (pixels + offset) // stride: the floor division of a chain of strided windows."""

    stride: int
    offset: int

    def size(self, pixels: int) -> int:
        """Return the side of the feature map of an image with a side of `pixels`; below 1 the backbone fails."""
        return (pixels + self.offset) // self.stride

    def pixels(self, size: int) -> int:
        """Return the smallest side in pixels whose feature map has at least the side `size`."""
        return size * self.stride - self.offset


def smallest_pixels(pixels: int, taps: Sequence[TapGeometry], levels: Sequence[int]) -> int:
    """Return the smallest image side, at least `pixels`, on which trunk and pyramid levels of both taps fit."""
    while True:
        sizes = [smallest_size(tap.size(pixels), level) for tap, level in zip(taps, levels, strict=True)]
        needed = max(pixels, *(tap.pixels(size) for tap, size in zip(taps, sizes, strict=True)))
        if needed == pixels:
            return pixels
        pixels = needed


def check_image_size(height: int, width: int, config: ModelConfig, taps: Sequence[TapGeometry]) -> None:
    """Raise ImageTooSmallError unless a network with these levels and taps takes images of `height` x `width` pixels.

    The message names the smallest size, at least as large on either side, that works.
    """
    levels = (config.P6, config.P7)
    fits = all(
        tap.size(pixels) >= 1 and divides(tap.size(pixels), level)
        for pixels in (height, width)
        for tap, level in zip(taps, levels, strict=True)
    )
    if fits:
        return
    smallest = [smallest_pixels(pixels, taps, levels) for pixels in (height, width)]
    maps = " and ".join(f"{tap.size(smallest[0])} x {tap.size(smallest[1])}" for tap in taps)
    raise ImageTooSmallError(
        f"images of {height} x {width} pixels (height x width) do not fit {config.architecture} with P6 = "
        f"{levels[0]} and P7 = {levels[1]}; the smallest size that works is {smallest[0]} x {smallest[1]} pixels "
        f"(feature maps of {maps}). Resize them (--resize), or use fewer pyramid levels."
    )
