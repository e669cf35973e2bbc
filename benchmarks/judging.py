"""How long it takes to judge predictions: every figure with its interval, three mappings, and a comparison.

    python benchmarks/judging.py [--images 10000] [--resamples 2000] [--rounds 5]

Predictions are simulated. Prints wall-clock and processor seconds, the median of the rounds.
"""

import argparse
import resource
import statistics
import time
from collections.abc import Callable

import numpy as np

from linearityiqa.metrics import MAPPINGS, agreement, compare
from linearityiqa.reporting import Table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--resamples", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    mos = rng.uniform(0, 100, options.images)
    mine, other = (100 / (1 + np.exp((55 - mos) / 18)) + rng.normal(0, 8, options.images) for _ in range(2))
    std = np.full(options.images, 10.0)
    arms: dict[str, Callable[[], object]] = {
        "plain figures": lambda: agreement(mine, mos, std),
        "mappings": lambda: agreement(mine, mos, std, mappings=MAPPINGS),
        "mappings and intervals": lambda: agreement(mine, mos, std, mappings=MAPPINGS, resamples=options.resamples),
        "comparison of two": lambda: compare({"a": mine, "b": other}, mos, std, resamples=options.resamples),
    }
    rows = [[name, *measured(call, options.rounds)] for name, call in arms.items()]
    title = f"{options.images} images, {options.resamples} resamples"
    print(Table(title, ["what", "seconds", "processor seconds"], rows, decimals=3).to_text())
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")


def measured(call: Callable[[], object], rounds: int) -> tuple[float, float]:
    """Median wall-clock and processor seconds."""
    call()
    wall, processor = [], []
    for _ in range(rounds):
        start = time.perf_counter(), time.process_time()
        call()
        wall.append(time.perf_counter() - start[0])
        processor.append(time.process_time() - start[1])
    return statistics.median(wall), statistics.median(processor)


if __name__ == "__main__":
    main()
