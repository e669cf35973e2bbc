"""Test models on databases, and print the results: for `linearityiqa test` and `train --evaluate`."""

import itertools
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from linearityiqa.config import TestConfig
from linearityiqa.console import say
from linearityiqa.errors import ConfigError
from linearityiqa.evaluation import paper_lines
from linearityiqa.evaluation.methods import short_names
from linearityiqa.extras import require
from linearityiqa.machine import keep_freed_memory
from linearityiqa.quality import HEADS, MAIN_FIGURES
from linearityiqa.reporting import Cell, Table

if TYPE_CHECKING:
    from linearityiqa.evaluation.testing import TestOutcome


class NamedModel(NamedTuple):
    """A model file, its name, and the folder of its test results."""

    name: str
    file: Path
    home: Path


def test_models(config: TestConfig, models: Sequence[NamedModel]) -> int:
    """Test every model on every database, which are opened before anything is tested, and print the results."""
    require("torch", "train")
    from linearityiqa.data.databases.opening import open_database
    from linearityiqa.evaluation.testing import evaluate_model_file, open_with_torch

    keep_freed_memory()
    tests = {alone.dataset: replace(config, data=alone) for alone in config.data.one_by_one()}
    if len(tests) > 1:
        if config.data.image_dir is not None and not config.data.more_image_dirs:
            raise ConfigError(
                "--image_dir names one folder for several databases: name one for each, in their order, or none where "
                "images are in the folders of their labels"
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
    finally:  # after all files are written: printing ends the command where the reader has gone
        for model in models:
            for outcome in outcomes[model.name]:
                show(outcome, model.file, as_json=config.json)
    if len(tests) * len(models) > 1 and not config.json:
        print("\n" + cross_table(outcomes, list(names.values())).to_text())
    return 0


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
    """Return a table of SROCC and PLCC of the fused head: a row for each model, two columns for each database."""
    columns = ["model", "trained on", *(f"{name} {figure}" for name in names for figure in MAIN_FIGURES)]
    rows: list[list[Cell]] = []
    short = short_names(list(outcomes))
    for name, tested in outcomes.items():
        fused = [outcome.results["splits"][outcome.results["reported_split"]]["fused"] for outcome in tested]
        figures = [found[figure] for found in fused for figure in MAIN_FIGURES]
        rows.append([short[name], tested[0].results["trained_on"], *figures])
    return Table("Models across databases", columns, rows)


def distinct_names(datasets: Iterable[str]) -> dict[str, str]:
    """Return distinct names of databases: their own or their file's stem, after the folder where two are equal.

    >>> distinct_names(["CLIVE", "a/labels.csv", "b/labels.csv"])
    {'CLIVE': 'CLIVE', 'a/labels.csv': 'a-labels', 'b/labels.csv': 'b-labels'}
    """
    stems = {dataset: Path(dataset).stem for dataset in datasets}
    counts = Counter(stems.values())
    return {
        dataset: stem if counts[stem] == 1 else f"{Path(dataset).resolve().parent.name}-{stem}"
        for dataset, stem in stems.items()
    }


def result_lines(results: Mapping[str, Any]) -> list[str]:
    """Return lines on the reported split of results.json: the paper's nine, then a table of all figures of each head.

    A last line warns where the model was trained or chosen on some of the images.
    """
    split, database = results["reported_split"], results["database"]
    figures = results["splits"][split]
    n, columns = figures["n"], list(figures[HEADS[0]])
    part = f"all {n} images" if results.get("images_of_database") == n else f"{split} split, {n} images"
    rows = [[head, *(figures[head][column] for column in columns)] for head in HEADS]
    table = Table(f"{database}, {part}", ["head", *columns], rows)
    lines = [*paper_lines(figures, database), "", *table.to_text().splitlines()]
    lines += [f"Note: {note}" for note in results.get("notes", ())]
    train, val = results.get("images_trained_on"), results.get("images_validated_on")
    if train or val:
        lines.append(f"of these {n} images the model was trained on {train}, and its best epoch chosen on {val}")
    return lines
