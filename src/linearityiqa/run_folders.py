"""Configuration, state, curves and log of b of a run, read from its folder. Needs neither torch nor the database."""

import csv
import json
import tomllib
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from linearityiqa.config import TestConfig, TrainConfig, from_dict, result_options, run_folder, run_name, runfiles
from linearityiqa.errors import DataError
from linearityiqa.files import sha256_of
from linearityiqa.quality import HEADS, QualityScores

State = Literal["missing", "part done", "done", "diverged", "refused"]
Curves = Mapping[str, list[float]]
"""Values by epoch under each metric's name, from epoch 1."""
MAX_BYTES = 1 << 20
MAX_CSV_BYTES = 1 << 30
_AGAIN = "Train the run again with --fresh."
_REMEDY = " Train the run again with --fresh, or name another folder with --log_dir."
T = TypeVar("T")


@dataclass(frozen=True)
class Progress:
    """State of a run and, where there is more to say, a few words."""

    state: State
    words: str = ""

    @property
    def is_over(self) -> bool:
        """Whether there is nothing left to do: it is done, or doing it again would end in the same."""
        return self.state in ("done", "diverged")


def training_progress(config: TrainConfig) -> Progress:
    """Return the progress of the training of a run."""
    folder = run_folder(config)
    try:
        if not (folder / runfiles.CONFIG).exists():
            if (folder / runfiles.RESULTS).exists() or (folder / runfiles.STATE).exists():
                raise DataError(f"{folder} holds results, but no {runfiles.CONFIG} that says of which run.{_REMEDY}")
            return Progress("missing")
        difference = differing_option(saved_config(folder), config)
        if difference:
            raise DataError(f"{folder} holds a run of another configuration ({difference}).{_REMEDY}")
        if (folder / runfiles.MODEL).exists() and (folder / runfiles.RESULTS).exists():
            found = read_json(folder / runfiles.RESULTS).get("run")
            if found != run_name(config):
                raise DataError(f"{folder / runfiles.RESULTS} is of another run ({found}).{_REMEDY}")
            return Progress("done")
        if (folder / runfiles.DIVERGED).exists():
            return Progress("diverged", str(read_json(folder / runfiles.DIVERGED).get("message", "")))
        if not (folder / runfiles.STATE).exists():
            return Progress("missing")
        return Progress("part done", f"{last_epoch(folder)} of {config.optimiser.epochs} epochs")
    except DataError as refusal:
        return Progress("refused", str(refusal))


def is_tested(test: TestConfig, run: Path) -> bool:
    """Return whether a test's results are there, and are of the model that the run folder holds now."""
    if test.output is None or not (test.output / runfiles.RESULTS).exists():
        return False
    try:
        found = read_json(test.output / runfiles.RESULTS).get("model_sha256")
    except DataError:
        return False
    return bool(found == sha256_of(run / runfiles.MODEL))


def saved_config(folder: Path) -> TrainConfig:
    """Read the configuration that a run folder holds."""
    path = folder / runfiles.CONFIG
    return _parsed(path, lambda text: from_dict(TrainConfig, tomllib.loads(text), str(path)))


def read_json(path: Path) -> dict[str, Any]:
    """Read the object in a small JSON file."""

    def parse(text: str) -> dict[str, Any]:
        values = json.loads(text)
        if not isinstance(values, dict):
            raise ValueError("it holds no object")
        return values

    return _parsed(path, parse)


def _parsed(path: Path, parse: Callable[[str], T]) -> T:
    """Return the value that `parse` makes of a small text file; DataError if it cannot be read or parsed."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ValueError("it is too large")
        return parse(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as cause:
        raise DataError(f"cannot read {path}: {cause}.{_REMEDY}") from cause


def differing_option(saved: TrainConfig, asked: TrainConfig) -> str:
    """Return the first option with another result in which two configurations differ, in words; empty if none does.

    >>> from linearityiqa.config import OptimiserConfig
    >>> differing_option(TrainConfig(), TrainConfig(optimiser=OptimiserConfig(epochs=3)))
    'its epochs is 30, not 3'
    """
    ours, theirs = result_options(asked), result_options(saved)
    for group in dict.fromkeys((*ours, *theirs)):
        mine, its = ours.get(group, {}), theirs.get(group, {})
        for name in dict.fromkeys((*mine, *its)):
            if name not in mine or name not in its or mine[name] != its[name]:
                was, wanted = (getattr(getattr(config, group), name) for config in (saved, asked))
                return f"its {name} is {was!r}, not {wanted!r}"
    return ""


@dataclass(frozen=True, eq=False)
class Curve:
    """One metric of one run on one split, by epoch; DataError for unequal lengths, or steps that do not rise."""

    steps: NDArray[np.int64]
    """Epochs, counted from 1, shape (N,); N is 0 for a run that diverged in its first epoch."""
    values: NDArray[np.float64]
    """The metric; nan where a run has none."""
    wall_times: NDArray[np.float64] | None = None
    """End of each epoch in seconds since some moment, where known."""

    def __post_init__(self) -> None:
        columns = [self.values] if self.wall_times is None else [self.values, self.wall_times]
        if any(column.shape != self.steps.shape for column in columns):
            raise DataError(f"a curve of {len(self.steps)} steps has {len(self.values)} values")
        if np.any(np.diff(self.steps) <= 0):
            raise DataError("the steps of a curve do not rise")

    @property
    def last(self) -> int:
        """Last epoch that has a value; 0 where none has."""
        return int(self.steps[np.isfinite(self.values)].max(initial=0))

    @property
    def gaps(self) -> tuple[int, ...]:
        """Epochs without a value before the last one that has one."""
        return tuple(self.steps[np.isnan(self.values) & (self.steps < self.last)].tolist())

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

    DataError for heads of unequal length, or no whole iteration.
    """

    values: QualityScores[NDArray[np.float64]]
    """b of each head by iteration, all of shape (N,)."""
    iterations_per_epoch: int

    def __post_init__(self) -> None:
        lengths = {head.shape for head in self.values}
        if len(lengths) != 1 or not len(self.values.fused) or self.iterations_per_epoch < 1:
            raise DataError(
                f"a log of b needs equally many values of each head, in epochs of at least one iteration; got "
                f"{sorted(lengths)} and {self.iterations_per_epoch} iterations per epoch"
            )

    def __len__(self) -> int:
        return len(self.values.fused)

    def epoch_means(self) -> QualityScores[NDArray[np.float64]]:
        """Return the mean of each head's b in every epoch; of the last one over the batches that it has."""
        starts = np.arange(0, len(self), self.iterations_per_epoch)
        lengths = np.diff(np.append(starts, len(self)))
        return self.values.map(lambda head: np.add.reduceat(head, starts) / lengths)


def read_curves(folder: Path) -> dict[str, Curves]:
    """Read metrics.csv of a run folder as curves by split; nan for a metric that was not computed or is not defined."""
    curves: dict[str, dict[str, list[float]]] = {}
    for row in read_rows(folder / runfiles.METRICS, ("epoch", "split"), _AGAIN):
        by_metric = curves.setdefault(row.cells["split"], {})
        for name in row.cells:
            if name not in ("epoch", "split"):
                by_metric.setdefault(name, []).append(row.number(name))
    return dict(curves)


def read_curve(folder: Path, split: str, metric: str) -> Curve:
    """Read one metric on one split by epoch; its wall times are seconds since the run began."""
    rows = read_rows(folder / runfiles.METRICS, ("epoch", "split", metric), _AGAIN)
    rows = [row for row in rows if row.cells["split"] == split]
    steps = np.array([row.count("epoch") for row in rows], dtype=np.int64)
    values = np.array([row.number(metric) for row in rows], dtype=np.float64)
    return Curve(steps, values, _wall_times(folder, steps.tolist()))


def read_bhat(folder: Path, epochs: int) -> BhatLog:
    """Read the log of b of a run of `epochs` epochs; DataError where it cannot be cut into them."""
    path = folder / runfiles.BHAT
    rows = read_rows(path, HEADS, _AGAIN)
    if not rows or len(rows) % epochs:
        raise DataError(f"{path} has {len(rows)} iterations, which {epochs} epochs cannot have. Train the run again.")
    columns = (np.array([row.number(head) for row in rows], dtype=np.float64) for head in HEADS)
    return BhatLog(QualityScores(*columns), len(rows) // epochs)


def last_epoch(folder: Path) -> int:
    """Return the last epoch in metrics.csv; 0 where there is none."""
    path = folder / runfiles.METRICS
    return max((row.count("epoch") for row in read_rows(path, ("epoch",), _AGAIN)), default=0) if path.exists() else 0


def _wall_times(folder: Path, steps: list[int]) -> NDArray[np.float64] | None:
    """Return the seconds from the start of the run to the end of each epoch, or None where they are not known."""
    path = folder / runfiles.TIMING
    seconds: defaultdict[int, float] = defaultdict(float)
    for row in read_rows(path, ("epoch", "seconds"), _AGAIN) if path.exists() else ():
        seconds[row.count("epoch")] += row.number("seconds")
    if not set(steps) <= set(seconds):
        return None
    epochs = sorted(seconds)
    ends = dict(zip(epochs, np.cumsum([seconds[epoch] for epoch in epochs]).tolist(), strict=True))
    return np.array([ends[epoch] for epoch in steps], dtype=np.float64)


@dataclass(frozen=True)
class Row:
    """A row of a CSV file, its place, and the remedy that errors name."""

    cells: Mapping[str, str]
    path: Path
    line: int
    remedy: str

    @property
    def place(self) -> str:
        """The place of the row, for messages."""
        return f"{self.path}, line {self.line}"

    def number(self, column: str) -> float:
        """Return the number in a column; nan for an empty cell."""
        text = self.cells[column].strip()
        try:
            return float(text) if text else float("nan")
        except ValueError as cause:
            raise DataError(f"{self.place}: {column} is {text[:40]!r}, not a number. {self.remedy}") from cause

    def count(self, column: str) -> int:
        """Return the whole number in a column."""
        value = self.number(column)
        if not (value.is_integer() and 0 <= value <= 2**53):
            shown = self.cells[column][:40]
            raise DataError(f"{self.place}: {column} is {shown!r}, no whole number. {self.remedy}")
        return int(value)


def read_rows(path: Path, columns: tuple[str, ...], remedy: str, max_bytes: int = MAX_CSV_BYTES) -> list[Row]:
    """Read the rows of a CSV file that has the columns; DataError with its place for a row of another length."""
    try:
        if path.stat().st_size > max_bytes:
            raise ValueError(f"it has more than {max_bytes} bytes")
        with path.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.DictReader(stream)
            absent = [name for name in columns if name not in (reader.fieldnames or ())]
            if absent:
                raise ValueError(f"it has no column {absent[0]}")
            rows = []
            for cells in reader:
                if None in cells or None in cells.values():
                    raise ValueError(f"line {reader.line_num} has too few or too many values")
                rows.append(Row(cells, path, reader.line_num, remedy))
            return rows
    except (OSError, ValueError, csv.Error) as cause:
        raise DataError(f"cannot read {path}: {cause}. {remedy}") from cause
