"""`linearityiqa train`, the paper's main.py; and `linearityiqa crossval`: a run on each of several random splits."""

import dataclasses
import json
import sys
from typing import Any

from linearityiqa.cli.results import NamedModel, result_lines, test_models
from linearityiqa.config import CrossvalConfig, TestConfig, TrainConfig, run_folder, runfiles
from linearityiqa.console import say
from linearityiqa.evaluation.methods import short_names
from linearityiqa.files import named_path
from linearityiqa.metrics.significance import SplitComparison, compare_over_splits, spread
from linearityiqa.quality import FIGURES
from linearityiqa.reporting import Cell, Table
from linearityiqa.training import World, run
from linearityiqa.training.crossval import Crossvalidation, crossvalidate, paired_values, read_crossvalidation
from linearityiqa.training.session import resolve_init

LEVEL = 0.05
"""Significance level of the verdicts."""


def train(config: TrainConfig) -> int:
    """Train or resume a run, test its best epoch, and print the results."""
    if config.run.evaluate:
        return test_again(config)
    from linearityiqa.models.device import keep_memory_of_cpu  # after training, which names the extra that it needs

    keep_memory_of_cpu(config.device.device)
    result = run.train(config)
    if not World.from_environment().is_main:
        return 0
    if config.run.json:
        say(json.dumps({"folder": str(result.folder), **result.results}))
    else:
        say(*result_lines(result.results), f"run folder: {result.folder}", f"model file: {result.model_file}")
    return 0


def test_again(config: TrainConfig) -> int:
    """Test the best model of a finished run on its test split, and print the results."""
    config = resolve_init(config)
    model_file = run_folder(config) / runfiles.MODEL
    test = TestConfig(
        npy_dir=config.run.npy_dir,
        json=config.run.json,
        pbar=config.run.pbar,
        data=config.data,
        model=config.model,
        transform=config.transform,
        optimiser=config.optimiser,
        device=config.device,
    )
    return test_models(test, [NamedModel(model_file.parent.name or "model", model_file, model_file.parent)])


def crossval(config: CrossvalConfig) -> int:
    """Train the missing splits, and print statistics over all splits."""
    others = []
    for name, path in map(named_path, config.against):
        other = read_crossvalidation(path)  # before hours of training
        others.append(dataclasses.replace(other, name=name or other.name))
    from linearityiqa.models.device import keep_memory_of_cpu

    keep_memory_of_cpu(config.train.device.device)
    done = crossvalidate(config)
    comparisons = {
        metric: [(other, found) for other in others if (found := compare(done, other, metric)) is not None]
        for metric in FIGURES
    }
    if config.train.run.json:
        say(json.dumps(as_dict(done, comparisons)))
    else:
        show(done, comparisons)
    failed = [result for result in done.splits if result.note]
    for result in failed:
        say(f"error: split {result.split} diverged: {result.note}", file=sys.stderr)
    return 1 if failed else 0


Comparisons = dict[str, list[tuple[Crossvalidation, SplitComparison]]]


def compare(done: Crossvalidation, other: Crossvalidation, metric: str) -> SplitComparison | None:
    """Compare a metric over the splits that both have; None where there are fewer than two."""
    pairs = list(paired_values(done, other, metric))
    if len(pairs) < 2:
        return None
    _, ours, theirs = zip(*pairs, strict=True)
    return compare_over_splits(ours, theirs, done.test_over_train)


def as_dict(done: Crossvalidation, comparisons: Comparisons) -> dict[str, Any]:
    """Return the cross-validation as plain values, for JSON."""
    spreads = {metric: spread(list(done.values(metric).values())) for metric in FIGURES}
    return {
        "name": done.name,
        "database": done.database,
        "folder": str(done.folder),
        "splits": [vars(result) for result in done.splits],
        "summary": {metric: None if s is None else dataclasses.asdict(s) for metric, s in spreads.items()},
        "comparisons": {
            metric: [{"against": other.name, **dataclasses.asdict(found)} for other, found in rows]
            for metric, rows in comparisons.items()
        },
    }


def show(done: Crossvalidation, comparisons: Comparisons) -> None:
    """Print tables of the splits, of statistics over them, and of the comparisons."""
    print(splits_table(done).to_text())
    print()
    print(summary_table(done).to_text())
    if any(comparisons.values()):
        print()
        print(comparison_table(comparisons).to_text())
        for other, found in comparisons["SROCC"]:
            say(verdict(other, found))
    say("", f"results: {done.folder}")


def splits_table(done: Crossvalidation) -> Table:
    """Return a table with a row for each split."""
    rows = [[str(r.split), r.test_images, *(r.figures.get(metric) for metric in FIGURES)] for r in done.splits]
    return Table(f"{done.database}: test images of each split", ["split", "images", *FIGURES], rows)


def summary_table(done: Crossvalidation) -> Table:
    """Return a table of statistics over the splits, a row for each metric."""
    rows: list[list[Cell]] = []
    for metric in FIGURES:
        found = spread(list(done.values(metric).values()))
        if found is not None:
            deviation = found.deviation if found.n > 1 else None
            rows.append([metric, found.n, found.mean, found.median, deviation, found.lowest, found.highest])
    columns = ["metric", "splits", "mean", "median", "deviation", "lowest", "highest"]
    return Table(f"{done.name} over the splits", columns, rows)


def comparison_table(comparisons: Comparisons) -> Table:
    """Return a table of paired differences, a row for each metric and each other cross-validation."""
    short = short_names([other.name for pairs in comparisons.values() for other, _ in pairs])
    rows: list[list[Cell]] = [
        [metric, short[other.name], c.splits, c.difference, c.t, _p(c.p), _p(c.p_corrected), _p(c.p_wilcoxon)]
        for metric, pairs in comparisons.items()
        for other, c in pairs
    ]
    columns = ["metric", "against", "splits", "difference", "t", "p (paired t)", "p (corrected)", "p (Wilcoxon)"]
    return Table("Paired differences; corrected: for overlapping training sets (Nadeau and Bengio)", columns, rows)


def verdict(other: Crossvalidation, found: SplitComparison) -> str:
    """Return a sentence on the outcome of the corrected test."""
    p = found.p_corrected
    if p is None:
        return f"SROCC against {other.name}: {found.difference:+.4f} on every split; no test."
    word = "a difference" if p < LEVEL else "no difference"
    return (
        f"SROCC against {other.name}: {found.difference:+.4f} on average over {found.splits} splits; {word} is shown "
        f"at the level {LEVEL:g} (corrected paired t-test, p = {p:.3g})."
    )


def _p(value: float | None) -> str | None:
    return None if value is None else f"{value:.3g}"
