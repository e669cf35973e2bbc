"""`linearityiqa test`: the paper's test_dataset.py, for one or several model files."""

import json
from collections.abc import Sequence
from pathlib import Path

from linearityiqa.cli.parsing import parse
from linearityiqa.cli.results import result_lines
from linearityiqa.config import DataConfig, RunConfig, TestConfig, TrainConfig, run_folder, runfiles
from linearityiqa.errors import ModelFileError
from linearityiqa.extras import require

DESCRIPTION = "Test model files on a split of a database: SROCC, PLCC, KROCC, RMSE and outlier ratio of each head."


def main(argv: Sequence[str], prog: str = "linearityiqa test", default: TestConfig | None = None) -> int:
    """Parse, then as `run`."""
    return run(parse(TestConfig, argv, prog=prog, description=DESCRIPTION, default=default))


def run(config: TestConfig) -> int:
    """Test every model file, and print."""
    model_files = config.trained_model_file or (trained_model_of(config),)
    require("torch", "train")
    from linearityiqa.evaluation.testing import evaluate_model_file

    for model_file in model_files:
        outcome = evaluate_model_file(config, model_file)
        if config.json:
            print(json.dumps({"folder": str(outcome.folder), **outcome.results}))
        else:
            print(f"model {model_file}, trained on {outcome.results['trained_on']}")
            print("\n".join(result_lines(outcome.results)))
            print(f"results: {outcome.folder}")
    return 0


def trained_model_of(config: TestConfig) -> Path:
    """The model file of the run that was trained with these options.

    Options that the paper's test_dataset.py lacks take main.py's defaults, as there.

    Raises:
        ModelFileError: there is no such run.
    """
    same_database = config.trained_on == config.data.dataset
    options = TrainConfig(
        loss=config.loss,
        model=config.model,
        data=DataConfig(dataset=config.trained_on, exp_id=config.data.exp_id if same_database else 0),
        transform=config.transform,
        augmentation=config.augmentation,
        optimiser=config.optimiser,
        run=RunConfig(log_dir=config.log_dir),
    )
    model_file = run_folder(options) / runfiles.MODEL
    if not model_file.exists():
        raise ModelFileError(
            f"no model at {model_file}, where these options put a run on {config.trained_on}. Train it with the same "
            "options, or name a model file with --model."
        )
    return model_file
