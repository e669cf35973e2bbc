"""How many images are decoded and computed at once; without torch, so that scoring may ask too."""

import os
from typing import NamedTuple

MAX_PIXELS_PER_BATCH = 16_000_000
"""Bound on the pixels of one batch, so that native-size photographs fit into memory whatever the batch size."""
CPU_BATCH = 8
CPU_PIXELS = 1_400_000
"""Pixels of a batch on a CPU: more of them only take more memory (docs/decisions.md)."""
GPU_BATCH = 64
MOST_LANES = 8
"""Batches that a CPU computes at once by default, however many cores it has: each holds its maps."""


class BatchLimit(NamedTuple):
    """Most images of a batch, and most pixels.

    >>> BatchLimit(8, pixels=1000).of(300), BatchLimit(8, pixels=1000).of(2000)
    (3, 1)
    """

    images: int
    pixels: int = MAX_PIXELS_PER_BATCH

    def of(self, pixels: int) -> int:
        """How many images of so many pixels each make a batch; one may be as large as it is."""
        return max(1, min(self.images, self.pixels // pixels))


def batch_limit(asked: int | None, *, gpu: bool) -> BatchLimit:
    """The batches of an evaluation: as many images as are asked for, by default what suits the device."""
    if asked is not None:
        return BatchLimit(asked)
    return BatchLimit(GPU_BATCH) if gpu else BatchLimit(CPU_BATCH, CPU_PIXELS)


def default_workers(num_workers: int | None, sharing: int = 1) -> int:
    """Workers that decode images: `num_workers`, or by default one for each usable core, at most 8.

    Args:
        num_workers: what the user asks for, in each process.
        sharing: processes that share the cores.
    """
    if num_workers is not None:
        return num_workers
    return max(1, min(usable_cores() // sharing, 8))


def usable_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
