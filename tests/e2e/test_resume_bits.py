"""A run of resnet18 that is stopped, killed and continued in processes of its own ends in an undisturbed one's bits."""

import subprocess
import sys
from pathlib import Path

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "resume.py"


def test_resnet18_stopped_and_killed_in_its_third_epoch() -> None:
    """Oracle: the undisturbed run; the benchmark compares, and fails where a stop does not take place."""
    stops = ["SIGTERM@3/train/4@5", "SIGKILL@3/train/7@0"]
    words = ["resnet18", "--modes", "native:O1", "--size", "64", "96", "--crop", "64", "--stops", *stops]
    run = subprocess.run([sys.executable, str(BENCHMARK), *words], capture_output=True, text=True, timeout=600)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "the same bits" in run.stderr
