"""The paper's three scripts: our commands under their names, with their defaults."""

import sys
from pathlib import Path
from typing import Any

from linearityiqa.cli.main import carry_out, run_command
from linearityiqa.config import RunConfig, ScoreConfig, TestConfig, TrainConfig

RESULTS = Path("results")
"""Folder that the paper's scripts write their .npy into."""


def main_script() -> int:
    """`python main.py`: train, and test the best epoch."""
    return _run("main.py", TrainConfig(run=RunConfig(npy_dir=RESULTS)))


def test_dataset_script() -> int:
    """`python test_dataset.py`: test a trained model on another database."""
    return _run("test_dataset.py", TestConfig(npy_dir=RESULTS))


def test_demo_script() -> int:
    """`python test_demo.py`: score one image."""
    return _run(
        "test_demo.py",
        ScoreConfig(img_path=Path("data/1000.JPG"), trained_model_file=Path("checkpoints/p1q2.pth")),
    )


def _run(prog: str, default: Any) -> int:
    return carry_out(lambda words: run_command(prog, words, default), sys.argv[1:])
