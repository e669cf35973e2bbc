"""`linearityiqa train`: the paper's main.py, resumable."""

import json
from collections.abc import Sequence

from linearityiqa.cli.parsing import parse_training
from linearityiqa.cli.results import result_lines
from linearityiqa.cli.test import run as run_test
from linearityiqa.config import TestConfig, TrainConfig, run_folder, runfiles

DESCRIPTION = "Train a model, and test its best epoch. The same command goes on where it stopped."


def main(argv: Sequence[str], prog: str = "linearityiqa train", default: TrainConfig | None = None) -> int:
    """Parse, train, print."""
    config = parse_training(
        TrainConfig, argv, prog=prog, description=DESCRIPTION, base=default, around=lambda training: training
    )
    if config.run.evaluate:
        return test_again(config)
    from linearityiqa.training import World, train

    result = train(config)
    if not World.from_environment().is_main:
        return 0
    if config.run.json:
        print(json.dumps({"folder": str(result.folder), **result.results}))
    else:
        print("\n".join(result_lines(result.results)))
        print(f"run folder: {result.folder}")
        print(f"model file: {result.model_file}")
    return 0


def test_again(config: TrainConfig) -> int:
    """Test the best model of the run that these options describe on its test split, and print."""
    if config.optimiser.init is not None:
        from linearityiqa.training.initial import described_by_initial_model

        config = described_by_initial_model(config)
    return run_test(
        TestConfig(
            trained_model_file=(run_folder(config) / runfiles.MODEL,),
            npy_dir=config.run.npy_dir,
            json=config.run.json,
            pbar=config.run.pbar,
            data=config.data,
            model=config.model,
            transform=config.transform,
            optimiser=config.optimiser,
            device=config.device,
        )
    )
