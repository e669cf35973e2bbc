"""`linearityiqa train`: the paper's main.py, resumable."""

import json
from collections.abc import Sequence

from linearityiqa.cli.parsing import parse, take_config_file
from linearityiqa.cli.results import result_lines
from linearityiqa.config import TrainConfig, run_folder

DESCRIPTION = (
    "Train a model, and test its best epoch. The same command goes on where it stopped. "
    "--config FILE takes the options of an earlier run's config.toml; options given beside it win."
)


def main(argv: Sequence[str], prog: str = "linearityiqa train", default: TrainConfig | None = None) -> int:
    """Parse, train, print."""
    from_file, words = take_config_file(TrainConfig, argv)
    config = parse(TrainConfig, words, prog=prog, description=DESCRIPTION, default=from_file or default)
    from linearityiqa.training import finished_result, train

    result = finished_result(run_folder(config)) if config.run.evaluate else train(config)
    if config.run.json:
        print(json.dumps({"folder": str(result.folder), **result.results}))
    else:
        print("\n".join(result_lines(result.results)))
        print(f"run folder: {result.folder}")
        print(f"model file: {result.model_file}")
    return 0
