"""`linearityiqa crossval`: a training run on each of several random splits by reference."""

import dataclasses
import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from linearityiqa.cli.parsing import parse_training
from linearityiqa.config import CrossvalConfig
from linearityiqa.evaluation.methods import short_names
from linearityiqa.extras import require
from linearityiqa.files import named_path
from linearityiqa.metrics.significance import SplitComparison, compare_over_splits, spread
from linearityiqa.reporting import Cell, Table

if TYPE_CHECKING:
    from linearityiqa.training.crossval import Crossvalidation

DESCRIPTION = (
    "Train and test on several random splits by reference: mean, median and spread of the figures, and paired tests "
    "against other cross-validations. Takes the options of train. The same command goes on where it stopped."
)
LEVEL = 0.05
"""Significance level of the verdicts."""


def main(argv: Sequence[str]) -> int:
    """Parse, train what is missing, print."""
    config = parse_training(
        CrossvalConfig,
        argv,
        prog="linearityiqa crossval",
        description=DESCRIPTION,
        around=lambda training: CrossvalConfig(train=training),
    )
    require("torch", "train")
    from linearityiqa.training.crossval import METRICS, crossvalidate, read_crossvalidation

    others = []
    for name, path in map(named_path, config.against):
        other = read_crossvalidation(path)  # before hours of training
        others.append(dataclasses.replace(other, name=name or other.name))
    done = crossvalidate(config)
    comparisons = {
        metric: [(other, found) for other in others if (found := compare(done, other, metric)) is not None]
        for metric in METRICS
    }
    if config.train.run.json:
        print(json.dumps(as_dict(done, comparisons)))
    else:
        show(done, comparisons)
    failed = [result for result in done.splits if result.note]
    for result in failed:
        print(f"error: split {result.split} diverged: {result.note}", file=sys.stderr)
    return 1 if failed else 0


Comparisons = dict[str, list[tuple["Crossvalidation", SplitComparison]]]


def compare(done: "Crossvalidation", other: "Crossvalidation", metric: str) -> SplitComparison | None:
    """The comparison of a metric over the splits that both have; None where there are fewer than two."""
    from linearityiqa.training.crossval import paired_values

    pairs = list(paired_values(done, other, metric))
    if len(pairs) < 2:
        return None
    _, ours, theirs = zip(*pairs, strict=True)
    return compare_over_splits(ours, theirs, done.test_over_train)


def as_dict(done: "Crossvalidation", comparisons: Comparisons) -> dict[str, Any]:
    """Plain values for JSON."""
    from linearityiqa.training.crossval import METRICS

    spreads = {metric: spread(list(done.values(metric).values())) for metric in METRICS}
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


def show(done: "Crossvalidation", comparisons: Comparisons) -> None:
    """Print the splits, what they say together, and the comparisons."""
    print(splits_table(done).to_text())
    print()
    print(summary_table(done).to_text())
    if any(comparisons.values()):
        print()
        print(comparison_table(comparisons).to_text())
        for other, found in comparisons["SROCC"]:
            print(verdict(other, found))
    print(f"\nresults: {done.folder}")


def splits_table(done: "Crossvalidation") -> Table:
    """A row for each split."""
    from linearityiqa.training.crossval import METRICS

    rows = [[str(r.split), r.test_images, *(r.figures.get(metric) for metric in METRICS)] for r in done.splits]
    return Table(f"{done.database}: test images of each split", ["split", "images", *METRICS], rows)


def summary_table(done: "Crossvalidation") -> Table:
    """A row for each metric."""
    from linearityiqa.training.crossval import METRICS

    rows: list[list[Cell]] = []
    for metric in METRICS:
        found = spread(list(done.values(metric).values()))
        if found is not None:
            deviation = found.deviation if found.n > 1 else None
            rows.append([metric, found.n, found.mean, found.median, deviation, found.lowest, found.highest])
    columns = ["metric", "splits", "mean", "median", "deviation", "lowest", "highest"]
    return Table(f"{done.name} over the splits", columns, rows)


def comparison_table(comparisons: Comparisons) -> Table:
    """A row for each metric and each other cross-validation."""
    short = short_names([other.name for pairs in comparisons.values() for other, _ in pairs])
    rows: list[list[Cell]] = [
        [metric, short[other.name], c.splits, c.difference, c.t, _p(c.p), _p(c.p_corrected), _p(c.p_wilcoxon)]
        for metric, pairs in comparisons.items()
        for other, c in pairs
    ]
    columns = ["metric", "against", "splits", "difference", "t", "p (paired t)", "p (corrected)", "p (Wilcoxon)"]
    return Table("Paired differences; corrected: for overlapping training sets (Nadeau and Bengio)", columns, rows)


def verdict(other: "Crossvalidation", found: SplitComparison) -> str:
    """The outcome of the corrected test in words."""
    p = found.p_corrected
    if p is None:
        return f"SROCC against {other.name}: {found.difference:+.4f} on every split alike; no test."
    word = "a difference" if p < LEVEL else "no difference"
    return (
        f"SROCC against {other.name}: {found.difference:+.4f} on average over {found.splits} splits; {word} is shown "
        f"at the level {LEVEL:g} (corrected paired t-test, p = {p:.3g})."
    )


def _p(value: float | None) -> str | None:
    return None if value is None else f"{value:.3g}"
