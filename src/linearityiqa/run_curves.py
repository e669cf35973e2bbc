"""Curves and the log of b of a run folder. Needs neither torch nor the database."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from linearityiqa.config import runfiles
from linearityiqa.errors import DataError
from linearityiqa.quality import HEADS, QualityScores

Curves = Mapping[str, list[float]]
"""Values by epoch under each metric's name, from epoch 1."""
MAX_CSV_BYTES = 1 << 30


@dataclass(frozen=True, eq=False)
class Curve:
    """One metric of one run on one split, by epoch.

    Attributes:
        steps: epochs, counted from 1, rising, shape (N,); N is 0 for a run that diverged in its first epoch.
        values: the metric; nan where a run has none.
        wall_times: seconds since 1970 at the end of each epoch, or None where not known.

    Raises:
        DataError: unequal lengths, or steps that do not rise.
    """

    steps: NDArray[np.int64]
    values: NDArray[np.float64]
    wall_times: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        columns = [self.values] if self.wall_times is None else [self.values, self.wall_times]
        if any(column.shape != self.steps.shape for column in columns):
            raise DataError(f"a curve of {len(self.steps)} steps has {len(self.values)} values")
        if np.any(np.diff(self.steps) <= 0):
            raise DataError("the steps of a curve do not rise")

    @property
    def last(self) -> int:
        """Last epoch that has a value; 0 where none has."""
        with_value = self.steps[np.isfinite(self.values)]
        return int(with_value[-1]) if len(with_value) else 0

    @property
    def gaps(self) -> tuple[int, ...]:
        """Epochs without a value before the last one that has one."""
        return tuple(int(step) for step in self.steps[np.isnan(self.values) & (self.steps < self.last)])

    def at(self, epoch: int) -> float:
        """Return the value at an epoch; nan where there is none."""
        found = self.values[self.steps == epoch]
        return float(found[0]) if len(found) else float("nan")

    def first_reaching(self, level: float, *, lower_is_better: bool) -> int | None:
        """Return the first epoch whose value is at least as good as `level`, or None.

        >>> Curve(np.arange(1, 4), np.array([0.5, 0.7, 0.9])).first_reaching(0.7, lower_is_better=False)
        2
        """
        reached = self.values <= level if lower_is_better else self.values >= level
        return int(self.steps[np.argmax(reached)]) if reached.any() else None


@dataclass(frozen=True, eq=False)
class BhatLog:
    """The norm b of each head's centred predictions in every training batch (appendix of the paper).

    Attributes:
        values: b of each head by iteration, all of shape (N,).
        iterations_per_epoch: batches of one epoch.

    Raises:
        DataError: heads of unequal length, or no whole iteration.
    """

    values: QualityScores[NDArray[np.float64]]
    iterations_per_epoch: int

    def __post_init__(self) -> None:
        lengths = {head.shape for head in self.values}
        if len(lengths) != 1 or not len(self.values.fused) or self.iterations_per_epoch < 1:
            raise DataError(f"a log of b needs equally many values of each head, got {sorted(lengths)}")

    def __len__(self) -> int:
        return len(self.values.fused)

    def epoch_means(self) -> QualityScores[NDArray[np.float64]]:
        """Return the mean of each head's b in every epoch; of the last one over the batches that it has."""
        starts = np.arange(0, len(self), self.iterations_per_epoch)
        lengths = np.diff(np.append(starts, len(self)))
        return self.values.map(lambda head: np.add.reduceat(head, starts) / lengths)


def read_curves(folder: Path) -> dict[str, Curves]:
    """Read metrics.csv of a run folder as curves by split.

    A value that is not there (a metric that was not computed, or is not defined) is nan.
    """
    curves: dict[str, dict[str, list[float]]] = {}
    for row in _rows(folder / runfiles.METRICS, ("epoch", "split")):
        by_metric = curves.setdefault(row["split"], {})
        for name, value in row.items():
            if name not in ("epoch", "split"):
                by_metric.setdefault(name, []).append(_number(value, folder / runfiles.METRICS))
    return dict(curves)


def read_curve(folder: Path, split: str, metric: str) -> Curve:
    """Read one metric on one split by epoch; its wall times are seconds since the run began."""
    path = folder / runfiles.METRICS
    rows = [row for row in _rows(path, ("epoch", "split", metric)) if row["split"] == split]
    steps = np.array([_epoch(row, path) for row in rows], dtype=np.int64)
    values = np.array([_number(row[metric], path) for row in rows], dtype=np.float64)
    return Curve(steps, values, _wall_times(folder, steps))


def read_bhat(folder: Path, epochs: int) -> BhatLog:
    """Read the log of b of a run of `epochs` epochs; DataError where it cannot be cut into them."""
    path = folder / runfiles.BHAT
    rows = _rows(path, HEADS)
    if not rows or len(rows) % epochs:
        raise DataError(f"{path} has {len(rows)} iterations, which {epochs} epochs cannot have. Train the run again.")
    columns = (np.array([_number(row[head], path) for row in rows], dtype=np.float64) for head in HEADS)
    return BhatLog(QualityScores(*columns), len(rows) // epochs)


def last_epoch(folder: Path) -> int:
    """Return the last epoch in metrics.csv; 0 where there is none."""
    path = folder / runfiles.METRICS
    if not path.exists():
        return 0
    return max((_epoch(row, path) for row in _rows(path, ("epoch",))), default=0)


def _wall_times(folder: Path, steps: NDArray[np.int64]) -> NDArray[np.float64] | None:
    """Return the seconds from the start of the run to the end of each epoch, or None where they are not known."""
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
    """Read the rows of a run's CSV file, which must have the columns."""
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
    """Return a number; nan for an empty cell."""
    try:
        return float(text) if text else float("nan")
    except ValueError as cause:
        raise DataError(f"{path}: {text[:40]!r} is not a number. Train the run again with --fresh.") from cause
