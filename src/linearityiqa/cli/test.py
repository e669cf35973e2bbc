"""`linearityiqa test`: the paper's test_dataset.py, for one or several model files."""

import itertools
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from linearityiqa.cli.parsing import parse
from linearityiqa.cli.results import result_lines
from linearityiqa.config import DataConfig, RunConfig, TestConfig, TrainConfig, run_folder, runfiles
from linearityiqa.data.loading.processes import keep_freed_memory
from linearityiqa.errors import ConfigError, ModelFileError
from linearityiqa.evaluation.methods import short_names
from linearityiqa.extras import require
from linearityiqa.files import named_path
from linearityiqa.hub import HubModel
from linearityiqa.packaged import BUNDLED, bundled_model
from linearityiqa.reporting import Cell, Table

if TYPE_CHECKING:
    from linearityiqa.evaluation.testing import TestOutcome

DESCRIPTION = (
    "Test model files on a split of one database or of several: SROCC, PLCC, KROCC, RMSE and "
    "outlier ratio of each head, and a table across databases."
)


def main(argv: Sequence[str], prog: str = "linearityiqa test", default: TestConfig | None = None) -> int:
    """Parse, then as `run`."""
    return run(parse(TestConfig, argv, prog=prog, description=DESCRIPTION, default=default))


class Model(NamedTuple):
    """A model file, what it is called, and the folder that the results of its tests lie in."""

    name: str
    file: Path
    home: Path


def run(config: TestConfig) -> int:
    """Test every model file on every database, and print.

    Raises:
        ConfigError: one image folder for several databases, or one name for several models.
        LinearityIQAError: a database or a model file cannot be used; databases are opened before anything is tested.
    """
    models = models_of(config)
    require("torch", "train")
    from linearityiqa.data.databases.opening import open_database
    from linearityiqa.evaluation.testing import evaluate_model_file, open_with_torch

    keep_freed_memory()
    tests = {alone.dataset: replace(config, data=alone) for alone in config.data.one_by_one()}
    if len(tests) > 1:
        if config.data.image_dir is not None and not config.data.more_image_dirs:
            raise ConfigError(
                "--image_dir names one folder for several databases: name one for each, in their order, or none where "
                "images lie beside their labels"
            )
        for test in tests.values():
            open_database(test.data, test.optimiser.seed).split(test.split)
    outcomes: dict[str, list[TestOutcome]] = {model.name: [] for model in models}
    names = distinct_names(tests)
    homes = Counter(model.home for model in models)
    for model, dataset in itertools.product(models, tests):
        test = tests[dataset]
        if config.output is not None and len(models) * len(tests) > 1:
            test = replace(test, output=config.output / f"{model.name}-{names[dataset]}")
        elif config.output is None:
            apart = f"-{model.name}" if homes[model.home] > 1 else ""
            test = replace(test, output=model.home / f"test-{names[dataset]}-{config.split}{apart}")
        opener = open_with_torch
        if model.file.suffix.lower() == ".onnx":
            from linearityiqa.scoring.onnx_network import open_onnx as opener
        outcome = evaluate_model_file(test, model.file, opener)
        outcomes[model.name].append(outcome)
        show(outcome, model.file, as_json=config.json)
    if len(tests) * len(models) > 1 and not config.json:
        print()
        print(cross_table(outcomes, list(names.values())).to_text())
    return 0


def models_of(config: TestConfig) -> list[Model]:
    """The models that the options name, as FILE, NAME=FILE, hf:// or bundled, or the one that they describe.

    Raises:
        ConfigError: one name for several models.
        ModelFileError: there is no such run.
    """
    models = []
    for word in config.trained_model_file or (trained_model_of(config),):
        name, path = named_path(word)
        home = path.parent
        if (on_hub := HubModel.of(path)) is not None:  # results do not belong into the hub's cache
            path, home, name = on_hub.fetch(), config.log_dir / on_hub.folder, name or on_hub.folder
        elif str(path) == BUNDLED and not path.exists():
            path, home, name = bundled_model(), config.log_dir / BUNDLED, name or BUNDLED
        models.append(Model(name or _name(path), path, home))
    alike = Counter(model.name for model in models)
    models = [model if alike[model.name] == 1 else model._replace(name=str(model.file)) for model in models]
    twice = next((name for name, count in Counter(model.name for model in models).items() if count > 1), None)
    if twice is None and config.output is not None:
        twice = next((name for name, count in alike.items() if count > 1), None)
    if twice is not None:
        raise ConfigError(f"two models are called {twice}: give each a name of its own, as in --model NAME=FILE")
    return models


def show(outcome: "TestOutcome", model_file: Path, *, as_json: bool) -> None:
    """Print the results of one test."""
    if as_json:
        print(json.dumps({"folder": str(outcome.folder), **outcome.results}), flush=True)
        return
    print(f"model {model_file}, trained on {outcome.results['trained_on']}")
    print("\n".join(result_lines(outcome.results)))
    print(f"results: {outcome.folder}", flush=True)


def cross_table(outcomes: Mapping[str, Sequence["TestOutcome"]], names: Sequence[str]) -> Table:
    """A row for each model, and under the name of each database the SROCC and PLCC of the fused head."""
    columns = ["model", "trained on", *(f"{name} {figure}" for name in names for figure in ("SROCC", "PLCC"))]
    rows: list[list[Cell]] = []
    short = short_names(list(outcomes))
    for name, tested in outcomes.items():
        fused = [outcome.results["splits"][outcome.results["reported_split"]]["fused"] for outcome in tested]
        figures = [found[figure] for found in fused for figure in ("SROCC", "PLCC")]
        rows.append([short[name], tested[0].results["trained_on"], *figures])
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
