"""`linearityiqa test`: the paper's test_dataset.py, for one or several model files."""

import itertools
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from linearityiqa.cli.parsing import parse
from linearityiqa.cli.results import result_lines
from linearityiqa.config import DataConfig, RunConfig, TestConfig, TrainConfig, run_folder, runfiles
from linearityiqa.errors import ConfigError, ModelFileError
from linearityiqa.extras import require
from linearityiqa.memory import keep_freed_memory
from linearityiqa.reporting import Cell, Table

if TYPE_CHECKING:
    from linearityiqa.evaluation.testing import TestOutcome

DESCRIPTION = (
    "Test model files on a split of one database or of several (--dataset A B ...): SROCC, PLCC, KROCC, RMSE and "
    "outlier ratio of each head, and a table across databases."
)


def main(argv: Sequence[str], prog: str = "linearityiqa test", default: TestConfig | None = None) -> int:
    """Parse, then as `run`."""
    return run(parse(TestConfig, argv, prog=prog, description=DESCRIPTION, default=default))


def run(config: TestConfig) -> int:
    """Test every model file on every database, and print.

    Raises:
        ConfigError: one image folder for several databases.
        LinearityIQAError: a database or a model file cannot be used; databases are opened before anything is tested.
    """
    model_files = config.trained_model_file or (trained_model_of(config),)
    require("torch", "train")
    from linearityiqa.data.databases import open_database
    from linearityiqa.evaluation.testing import evaluate_model_file

    keep_freed_memory()
    tests = {dataset: _on(config, dataset) for dataset in (config.data.dataset, *config.data.more_datasets)}
    if len(tests) > 1:
        if config.data.image_dir is not None:
            raise ConfigError("--image_dir is of one database: leave it out where several are tested")
        for test in tests.values():
            open_database(test.data, test.optimiser.seed).split(test.split)
    outcomes: dict[Path, list[TestOutcome]] = {model_file: [] for model_file in model_files}
    names = distinct_names(tests)
    for model_file, dataset in itertools.product(model_files, tests):
        test = tests[dataset]
        if config.output is not None and len(model_files) * len(tests) > 1:
            test = replace(test, output=config.output / f"{_name(model_file)}-{names[dataset]}")
        elif names[dataset] != Path(dataset).stem:
            test = replace(test, output=model_file.parent / f"test-{names[dataset]}-{config.split}")
        outcome = evaluate_model_file(test, model_file)
        outcomes[model_file].append(outcome)
        show(outcome, model_file, as_json=config.json)
    if len(tests) > 1 and not config.json:
        print()
        print(cross_table(outcomes, list(names.values())).to_text())
    return 0


def show(outcome: "TestOutcome", model_file: Path, *, as_json: bool) -> None:
    """Print the results of one test."""
    if as_json:
        print(json.dumps({"folder": str(outcome.folder), **outcome.results}), flush=True)
        return
    print(f"model {model_file}, trained on {outcome.results['trained_on']}")
    print("\n".join(result_lines(outcome.results)))
    print(f"results: {outcome.folder}", flush=True)


def cross_table(outcomes: Mapping[Path, Sequence["TestOutcome"]], names: Sequence[str]) -> Table:
    """A row for each model file, and under the name of each database the SROCC and PLCC of the fused head."""
    columns = ["model", "trained on", *(f"{name} {figure}" for name in names for figure in ("SROCC", "PLCC"))]
    rows: list[list[Cell]] = []
    for model_file, tested in outcomes.items():
        fused = [outcome.results["splits"][outcome.results["reported_split"]]["fused"] for outcome in tested]
        figures = [found[figure] for found in fused for figure in ("SROCC", "PLCC")]
        rows.append([_name(model_file), tested[0].results["trained_on"], *figures])
    return Table("Models across databases", columns, rows)


def distinct_names(datasets: Iterable[str]) -> dict[str, str]:
    """What each database is called: its name, or its file's without the ending, with the folder where two are alike.

    >>> distinct_names(["CLIVE", "a/labels.csv", "b/labels.csv"])
    {'CLIVE': 'CLIVE', 'a/labels.csv': 'a-labels', 'b/labels.csv': 'b-labels'}
    """
    stems = {dataset: Path(dataset).stem for dataset in datasets}
    alike = Counter(stems.values())
    return {
        dataset: stem if alike[stem] == 1 else f"{Path(dataset).resolve().parent.name}-{stem}"
        for dataset, stem in stems.items()
    }


def _on(config: TestConfig, dataset: str) -> TestConfig:
    return replace(config, data=replace(config.data, dataset=dataset, more_datasets=()))


def _name(model_file: Path) -> str:
    """What tells a model file from others: every run's is called the same, but for its folder."""
    return model_file.parent.name or model_file.stem if model_file.stem == "model" else model_file.stem


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
        data=DataConfig(
            dataset=config.trained_on,
            more_datasets=config.data.more_datasets,
            exp_id=config.data.exp_id if same_database else 0,
        ),
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
