"""The lines in which training and testing print their results."""

from collections.abc import Mapping
from typing import Any

from linearityiqa.evaluation import paper_lines
from linearityiqa.quality import HEADS
from linearityiqa.reporting import Table


def result_lines(results: Mapping[str, Any]) -> list[str]:
    """The reported split of results.json: the paper's nine lines, then a table of every figure of each head."""
    split, database = results["reported_split"], results["database"]
    figures = results["splits"][split]
    columns = list(figures[HEADS[0]])
    rows = [[head, *(figures[head][column] for column in columns)] for head in HEADS]
    table = Table(f"{database}, {split} split, {figures['n']} images", ["head", *columns], rows)
    return [*paper_lines(figures, database), "", table.to_text(), *seen_lines(results)]


def seen_lines(results: Mapping[str, Any]) -> list[str]:
    """A line where some of a test's images were seen in training."""
    train, val = results.get("images_trained_on"), results.get("images_validated_on")
    if not (train or val):
        return []
    n = results["splits"][results["reported_split"]]["n"]
    return [f"of these {n} images the model was trained on {train}, and its best epoch chosen on {val}"]
