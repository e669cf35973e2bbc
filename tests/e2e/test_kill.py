"""A training process killed by SIGKILL at arbitrary moments ends in the bits of an undisturbed one."""

import itertools
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from small_runs import SMALL_BACKBONE

WORDS = ["-arch", SMALL_BACKBONE, "--weights", "none", "-bs", "4", "-e", "3", "--save_minutes", "0", "-tdt"]
KILLS = 2
PATIENCE = 240.0


def start(labels: Path, folder: Path, workers: int) -> subprocess.Popen[str]:
    words = ["-ds", str(labels), *WORDS, "--num_workers", str(workers), "--output", str(folder)]
    return subprocess.Popen(
        [sys.executable, "-m", "linearityiqa", "train", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def saves(folder: Path) -> int:
    """A number that changes whenever the state has been saved."""
    path = folder / "last.pt"
    return path.stat().st_mtime_ns if path.exists() else 0


def kill_after_some_saves(process: subprocess.Popen[str], folder: Path, count: int) -> None:
    """Wait until the state has been saved `count` times, then kill the process and its workers."""
    seen, deadline = saves(folder), time.monotonic() + PATIENCE
    while count and process.poll() is None and time.monotonic() < deadline:
        if saves(folder) != seen:
            seen, count = saves(folder), count - 1
        time.sleep(0.002)
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def test_killed_twice_ends_in_the_same_bits(photo_database: Path, tmp_path: Path) -> None:
    undisturbed = start(photo_database, tmp_path / "undisturbed", 0)
    output, _ = undisturbed.communicate(timeout=PATIENCE)
    assert undisturbed.returncode == 0, output
    rng, folder = random.Random(5), tmp_path / "killed"
    for workers in itertools.islice(itertools.cycle((1, 0)), KILLS):
        kill_after_some_saves(start(photo_database, folder, workers), folder, rng.randint(1, 5))
    last = start(photo_database, folder, 1)
    output, _ = last.communicate(timeout=PATIENCE)
    assert last.returncode == 0, output
    for name in ("metrics.csv", "predictions.csv", "model.safetensors"):
        assert (folder / name).read_bytes() == (tmp_path / "undisturbed" / name).read_bytes(), name
