"""What run folders say: the curves, predictions and logs of finished or interrupted runs."""

import csv
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from linearityiqa.config import runfiles
from linearityiqa.errors import DataError
from linearityiqa.quality import HEADS, QualityScores
from linearityiqa.reproduce.results import BhatLog, Curve

Curves = Mapping[str, list[float]]
"""Values by epoch under each metric's name, from epoch 1."""
MAX_CSV_BYTES = 1 << 30


def read_curves(folder: Path) -> dict[str, Curves]:
    """metrics.csv of a run folder as curves by split.

    A value that is not there (a metric that was not computed, or is not defined) is nan.

    Raises:
        DataError: the file is missing or not a metrics.csv.
    """
    curves: dict[str, dict[str, list[float]]] = {}
    for row in _rows(folder / runfiles.METRICS, ("epoch", "split")):
        by_metric = curves.setdefault(row["split"], {})
        for name, value in row.items():
            if name not in ("epoch", "split"):
                by_metric.setdefault(name, []).append(_number(value, folder / runfiles.METRICS))
    return dict(curves)


def read_curve(folder: Path, split: str, metric: str) -> Curve:
    """One metric on one split by epoch; its wall times are seconds since the run began.

    Raises:
        DataError: metrics.csv is missing or damaged.
    """
    path = folder / runfiles.METRICS
    rows = [row for row in _rows(path, ("epoch", "split", metric)) if row["split"] == split]
    steps = np.array([_epoch(row, path) for row in rows], dtype=np.int64)
    values = np.array([_number(row[metric], path) for row in rows], dtype=np.float64)
    return Curve(steps, values, _wall_times(folder, steps))


def read_bhat(folder: Path, epochs: int) -> BhatLog:
    """The log of b of a run of so many epochs.

    Raises:
        DataError: bhat.csv is missing or damaged, or does not have equally many iterations in each epoch.
    """
    path = folder / runfiles.BHAT
    rows = _rows(path, HEADS)
    if not rows or len(rows) % epochs:
        raise DataError(f"{path} has {len(rows)} iterations, which {epochs} epochs cannot have. Train the run again.")
    columns = (np.array([_number(row[head], path) for row in rows], dtype=np.float64) for head in HEADS)
    return BhatLog(QualityScores(*columns), len(rows) // epochs)


def last_epoch(folder: Path) -> int:
    """The last epoch in metrics.csv; 0 where there is none."""
    path = folder / runfiles.METRICS
    if not path.exists():
        return 0
    return max((_epoch(row, path) for row in _rows(path, ("epoch",))), default=0)


def _wall_times(folder: Path, steps: NDArray[np.int64]) -> NDArray[np.float64] | None:
    """Seconds from the start of the run to the end of each epoch, or None where they are not known."""
    path = folder / runfiles.TIMING
    if not path.exists():
        return None
    seconds: dict[int, float] = {}
    for row in _rows(path, ("epoch", "seconds")):
        epoch = _epoch(row, path)
        seconds[epoch] = seconds.get(epoch, 0.0) + _number(row["seconds"], path)
    if not set(steps.tolist()) <= set(seconds):
        return None
    ends = dict(zip(sorted(seconds), np.cumsum([seconds[epoch] for epoch in sorted(seconds)]).tolist(), strict=True))
    return np.array([ends[epoch] for epoch in steps.tolist()], dtype=np.float64)


def _rows(path: Path, columns: tuple[str, ...]) -> list[dict[str, str]]:
    """The rows of a run's CSV file, which has the columns."""
    try:
        if path.stat().st_size > MAX_CSV_BYTES:
            raise ValueError("it is too large")
        with path.open(newline="", encoding="utf-8") as stream:
            reader = csv.DictReader(stream)
            absent = [name for name in columns if name not in (reader.fieldnames or ())]
            if absent:
                raise ValueError(f"it has no column {absent[0]}")
            rows = list(reader)
        if any(None in row or None in row.values() for row in rows):
            raise ValueError("a row has too few or too many values")
    except (OSError, ValueError, csv.Error) as cause:
        raise DataError(f"cannot read {path}: {cause}. Train the run again with --fresh.") from cause
    return rows


def _epoch(row: Mapping[str, str], path: Path) -> int:
    if not row["epoch"].isdecimal():
        raise DataError(f"{path}: epoch is {row['epoch'][:40]!r}, no whole number. Train the run again with --fresh.")
    return int(row["epoch"])


def _number(text: str, path: Path) -> float:
    """A number; nan for an empty cell."""
    try:
        return float(text) if text else float("nan")
    except ValueError as cause:
        raise DataError(f"{path}: {text[:40]!r} is not a number. Train the run again with --fresh.") from cause
