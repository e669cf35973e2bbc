"""What the benchmarks measure with: interleaved timing, anonymous memory, matrix-product rate, the machine's name."""

import contextlib
import ctypes
import os
import platform
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

import numpy as np

from linearityiqa.machine import M_MMAP_MAX, keep_freed_memory

M_MMAP_THRESHOLD = -3
MALLOC_LARGE = 32 * 2**20
"""Where glibc's own rule for large blocks ends up in a process that uses many of them."""
MALLOC_BLOCKS = 65536


@dataclass(frozen=True)
class Timing:
    """Seconds of each call of several arms that took turns.

    Attributes:
        seconds: of each arm, in the order of the rounds; the arms of one round ran directly after each other.
        images: how many images one call handles.
    """

    seconds: Mapping[str, list[float]]
    images: int

    def rate(self, arm: str) -> float:
        """Median images a second."""
        return self.images / statistics.median(self.seconds[arm])

    def ratio(self, arm: str, baseline: str) -> tuple[float, float, float]:
        """Median, lowest and highest of how many times faster `arm` was than `baseline` in the same round."""
        ratios = [b / a for a, b in zip(self.seconds[arm], self.seconds[baseline], strict=True)]
        return statistics.median(ratios), min(ratios), max(ratios)


def take_turns(arms: Mapping[str, Callable[[], object]], *, images: int, rounds: int) -> Timing:
    """Time the arms A B A B ..., so that what else the machine does falls on all alike; each is warmed up once."""
    for call in arms.values():
        call()
    seconds: dict[str, list[float]] = {name: [] for name in arms}
    for _ in range(rounds):
        for name, call in arms.items():
            start = time.perf_counter()
            call()
            seconds[name].append(time.perf_counter() - start)
    return Timing(seconds, images)


@contextlib.contextmanager
def memory_given_back() -> Iterator[None]:
    """Large blocks freed inside go back to the system, as glibc's malloc does where nobody asks for anything else.

    Our training and our commands ask (`keep_freed_memory`) for the whole process: without this, the other side of a
    comparison in one process would profit from it too. Blocks below `MALLOC_LARGE` are kept on both sides.
    """
    library = ctypes.CDLL(None) if sys.platform == "linux" else None
    if library is None or not hasattr(library, "mallopt"):
        yield
        return
    library.mallopt(M_MMAP_THRESHOLD, MALLOC_LARGE)
    library.mallopt(M_MMAP_MAX, MALLOC_BLOCKS)
    try:
        yield
    finally:
        keep_freed_memory()


@dataclass
class AnonymousMemory:
    """Peak of the anonymous memory of this process and its descendants inside a `with` block, in MB (Linux only).

    Pages of mapped files are left out: the system takes them back when it needs them.
    """

    interval: float = 0.05
    peak_mb: float = 0.0
    _stop: threading.Event = field(default_factory=threading.Event, repr=False)

    def __enter__(self) -> "AnonymousMemory":
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.is_set():
            self.peak_mb = max(self.peak_mb, anonymous_mb())
            self._stop.wait(self.interval)


def anonymous_mb() -> float:
    """Anonymous memory of this process and all its descendants now, in MB."""
    parents = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            # the name, in brackets, may hold anything
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:  # it has ended meanwhile
            continue
    family = {os.getpid()}
    while grown := {child for child, parent in parents.items() if parent in family} - family:
        family |= grown
    return sum(map(_anonymous_of, family)) / 1000


def _anonymous_of(process: int) -> int:
    try:
        for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
            if line.startswith("Anonymous:"):
                return int(line.split()[1])
    except OSError:
        pass
    return 0


def matrix_rate(dtype: str = "float32", device: str = "cpu", *, size: int = 2048, rounds: int = 7) -> float:
    """Floating-point operations a second of square matrix products, the best of several.

    On a CPU by MKL and by oneDNN, whose convolutions are: on AMD's processors with AVX-512, MKL is half as fast.
    """
    import torch

    size = size if device == "cpu" else 8192
    a, b = (torch.randn(size, size, device=device, dtype=getattr(torch, dtype)) for _ in range(2))
    ways = [lambda: torch.mm(a, b)]
    if device == "cpu" and dtype == "float32" and torch.backends.mkldnn.is_available():
        blocked = a.to_mkldnn()
        ways.append(lambda: torch.nn.functional.linear(blocked, b))
    best = float("inf")
    for product in ways * rounds:
        _synchronise(device)
        start = time.perf_counter()
        product()
        _synchronise(device)
        best = min(best, time.perf_counter() - start)
    return 2 * size**3 / best


def _synchronise(device: str) -> None:
    if device.startswith("cuda"):
        import torch

        torch.cuda.synchronize()


def machine() -> str:
    """The machine in one line: processor, cores, memory, system, versions."""
    import torch

    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.processor(),
    )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    gpu = f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ", no GPU"
    return (
        f"{len(os.sched_getaffinity(0))} cores ({model}){gpu}, {memory:.0f} GiB, {platform.system()} "
        f"{platform.release()}, Python {platform.python_version()}, torch {torch.__version__}, "
        f"{torch.get_num_threads()} threads, numpy {np.__version__}"
    )
