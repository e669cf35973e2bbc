"""`linearityiqa test`: the paper's test_dataset.py, for one or several model files."""

import itertools
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from linearityiqa.cli.models import chosen_model
from linearityiqa.config import DataConfig, RunConfig, TestConfig, TrainConfig, run_folder, runfiles
from linearityiqa.console import say
from linearityiqa.errors import ConfigError, ModelFileError
from linearityiqa.evaluation import paper_lines
from linearityiqa.evaluation.methods import short_names
from linearityiqa.extras import require
from linearityiqa.files import named_path
from linearityiqa.machine import keep_freed_memory
from linearityiqa.quality import HEADS
from linearityiqa.reporting import Cell, Table

if TYPE_CHECKING:
    from linearityiqa.evaluation.testing import TestOutcome


class Model(NamedTuple):
    """A model file, its name, and the folder of its test results."""

    name: str
    file: Path
    home: Path


def test(config: TestConfig) -> int:
    """Test every model file on every database, and print the results.

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
        for one in tests.values():
            open_database(one.data, one.optimiser.seed).split(one.split)
    outcomes: dict[str, list[TestOutcome]] = {model.name: [] for model in models}
    names = distinct_names(tests)
    homes = Counter(model.home for model in models)
    try:
        for model, dataset in itertools.product(models, tests):
            one = tests[dataset]
            if config.output is not None and len(models) * len(tests) > 1:
                one = replace(one, output=config.output / f"{model.name}-{names[dataset]}")
            elif config.output is None:
                apart = f"-{model.name}" if homes[model.home] > 1 else ""
                one = replace(one, output=model.home / f"test-{names[dataset]}-{config.split}{apart}")
            opener = open_with_torch
            if model.file.suffix.lower() == ".onnx":
                from linearityiqa.scoring.torch_runtime import open_onnx as opener
            outcomes[model.name].append(evaluate_model_file(one, model.file, opener))
    finally:  # after all files are written: printing ends the command where nobody reads on
        for model in models:
            for outcome in outcomes[model.name]:
                show(outcome, model.file, as_json=config.json)
    if len(tests) * len(models) > 1 and not config.json:
        print("\n" + cross_table(outcomes, list(names.values())).to_text())
    return 0


def models_of(config: TestConfig) -> list[Model]:
    """Find the models to test: FILE, NAME=FILE, hf:// or bundled, or the run that the training options describe.

    Raises:
        ConfigError: one name for several models.
        ModelFileError: there is no such run.
    """
    models = []
    for word in config.trained_model_file or (trained_model_of(config),):
        name, path = named_path(word)
        chosen = chosen_model(path)
        home = config.log_dir / chosen.name if chosen.name else path.parent
        models.append(Model(name or chosen.name or _name(path), chosen.file, home))
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
        say(json.dumps({"folder": str(outcome.folder), **outcome.results}))
        return
    say(
        f"model {model_file}, trained on {outcome.results['trained_on']}",
        *result_lines(outcome.results),
        f"results: {outcome.folder}",
    )


def cross_table(outcomes: Mapping[str, Sequence["TestOutcome"]], names: Sequence[str]) -> Table:
    """Table of SROCC and PLCC of the fused head, a row for each model, two columns for each database."""
    columns = ["model", "trained on", *(f"{name} {figure}" for name in names for figure in ("SROCC", "PLCC"))]
    rows: list[list[Cell]] = []
    short = short_names(list(outcomes))
    for name, tested in outcomes.items():
        fused = [outcome.results["splits"][outcome.results["reported_split"]]["fused"] for outcome in tested]
        figures = [found[figure] for found in fused for figure in ("SROCC", "PLCC")]
        rows.append([short[name], tested[0].results["trained_on"], *figures])
    return Table("Models across databases", columns, rows)


def distinct_names(datasets: Iterable[str]) -> dict[str, str]:
    """Distinct names of databases: their own or their file's stem, with the folder where two are alike.

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
    """Name of a model file: the folder's where it is a run's model.safetensors, else its stem."""
    return model_file.parent.name or model_file.stem if model_file.stem == "model" else model_file.stem


def trained_model_of(config: TestConfig) -> Path:
    """Find the model file of the run that was trained with these options.

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


def result_lines(results: Mapping[str, Any]) -> list[str]:
    """Lines on the reported split of results.json: the paper's nine, then a table of all figures of each head."""
    split, database = results["reported_split"], results["database"]
    figures = results["splits"][split]
    columns = list(figures[HEADS[0]])
    rows = [[head, *(figures[head][column] for column in columns)] for head in HEADS]
    whole = results.get("images_of_database") == figures["n"]
    part = f"all {figures['n']} images" if whole else f"{split} split, {figures['n']} images"
    table = Table(f"{database}, {part}", ["head", *columns], rows)
    notes = [f"Note: {note}" for note in results.get("notes", ())]
    return [*paper_lines(figures, database), "", *table.to_text().splitlines(), *notes, *seen_lines(results)]


def seen_lines(results: Mapping[str, Any]) -> list[str]:
    """Warning line where the model was trained or chosen on some of the test images."""
    train, val = results.get("images_trained_on"), results.get("images_validated_on")
    if not (train or val):
        return []
    n = results["splits"][results["reported_split"]]["n"]
    return [f"of these {n} images the model was trained on {train}, and its best epoch chosen on {val}"]
