"""The lines in which training and testing print their results."""

from collections.abc import Mapping
from typing import Any

from linearityiqa.evaluation import paper_lines
from linearityiqa.quality import HEADS


def result_lines(results: Mapping[str, Any]) -> list[str]:
    """The reported split of results.json: the paper's nine lines, then a table of every figure of each head."""
    figures = results["splits"][results["reported_split"]]
    columns = list(figures[HEADS[0]])
    table = [f"{'':8}" + "".join(f"{column:>15}" for column in columns)]
    table += [f"{head:8}" + "".join(f"{_shown(figures[head][column]):>15}" for column in columns) for head in HEADS]
    title = f"{results['database']}, {results['reported_split']} split, {figures['n']} images"
    return [*paper_lines(figures, results["database"]), "", title, *table]


def _shown(value: float | None) -> str:
    return "not defined" if value is None else f"{value:.4f}"
