"""How many images are decoded and computed at once; without torch, so that scoring may ask too."""

import os

MAX_PIXELS_PER_BATCH = 16_000_000
"""Bound on the pixels of one batch, so that native-size photographs fit into memory whatever the batch size."""


def default_workers(num_workers: int | None, sharing: int = 1) -> int:
    """Workers that decode images: `num_workers`, or by default one for each usable core, at most 8.

    Args:
        num_workers: what the user asks for, in each process.
        sharing: processes that share the cores.
    """
    if num_workers is not None:
        return num_workers
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(usable // sharing, 8))
