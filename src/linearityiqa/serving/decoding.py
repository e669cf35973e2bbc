"""Decoding of one photograph in a process that is bounded in memory and time; the process imports no more than this."""

import os
import resource
import sys
from math import ceil
from pathlib import Path
from typing import NamedTuple

from linearityiqa.config import TransformConfig
from linearityiqa.images import ImageTransform
from linearityiqa.scoring import PreprocessedImage
from linearityiqa.scoring.prepared import prepare


class Bounds(NamedTuple):
    """What every photograph is held to: pixels, memory beyond what the process begins with, and seconds."""

    max_pixels: int
    memory: int
    seconds: float


_transform = ImageTransform()
_bounds = Bounds(0, 0, 0.0)
"""Of this process, by `start`."""


def start(transform: TransformConfig, bounds: Bounds) -> None:
    """Prepare a process that decodes: bound its memory, and drop what libraries write to standard error."""
    global _transform, _bounds
    _transform, _bounds = ImageTransform.of(transform), bounds
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    if sys.platform == "linux":
        taken = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (taken + bounds.memory,) * 2)


def decode(content: bytes, name: str) -> PreprocessedImage:
    """Decode one photograph, in a process that `start` prepared."""
    # the pool's time limit comes first; this one also ends a process whose parent was killed
    usage = resource.getrusage(resource.RUSAGE_SELF)
    limit = ceil(usage.ru_utime + usage.ru_stime + 4 * _bounds.seconds)
    resource.setrlimit(resource.RLIMIT_CPU, (limit, resource.getrlimit(resource.RLIMIT_CPU)[1]))
    return prepare(content, _transform, name=name, max_pixels=_bounds.max_pixels)
