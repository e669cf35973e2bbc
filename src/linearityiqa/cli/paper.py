"""The paper's three scripts: our commands under their names, with their defaults."""

import sys
from pathlib import Path

from linearityiqa.cli import score, test, train
from linearityiqa.cli.main import carry_out
from linearityiqa.config import RunConfig, ScoreConfig, TestConfig, TrainConfig

RESULTS = Path("results")
"""Folder that the paper's scripts write their .npy into."""


def main_script() -> int:
    """`python main.py`: train, and test the best epoch."""
    default = TrainConfig(run=RunConfig(npy_dir=RESULTS))
    return carry_out(lambda words: train.main(words, "main.py", default), sys.argv[1:])


def test_dataset_script() -> int:
    """`python test_dataset.py`: test a trained model on another database."""
    default = TestConfig(npy_dir=RESULTS)
    return carry_out(lambda words: test.main(words, "test_dataset.py", default), sys.argv[1:])


def test_demo_script() -> int:
    """`python test_demo.py`: score one image."""
    default = ScoreConfig(img_path=Path("data/1000.JPG"), trained_model_file=Path("checkpoints/p1q2.pth"))
    return carry_out(lambda words: score.demo_main(words, "test_demo.py", default), sys.argv[1:])
