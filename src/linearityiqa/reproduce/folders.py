"""What run folders say: the curves and predictions of finished or interrupted runs."""

import csv
from collections.abc import Mapping
from pathlib import Path

from linearityiqa.errors import DataError

Curves = Mapping[str, list[float]]
"""Values by epoch under each metric's name, from epoch 1."""


def read_curves(folder: Path) -> dict[str, Curves]:
    """metrics.csv of a run folder as curves by split.

    A value that is not there (a metric that was not computed, or is not defined) is nan.

    Raises:
        DataError: the file is missing or not a metrics.csv.
    """
    path = folder / "metrics.csv"
    try:
        with path.open(newline="", encoding="utf-8") as stream:
            rows = list(csv.DictReader(stream))
        curves: dict[str, dict[str, list[float]]] = {}
        for row in rows:
            by_metric = curves.setdefault(row["split"], {})
            for name, value in row.items():
                if name not in ("epoch", "split"):
                    by_metric.setdefault(name, []).append(float(value) if value else float("nan"))
    except (OSError, KeyError, ValueError, csv.Error) as cause:
        raise DataError(f"cannot read the curves in {path}: {cause}. Run the training again.") from cause
    return dict(curves)
