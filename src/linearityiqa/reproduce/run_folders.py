"""Run folders: state of the run, its curves and its log of b. Needs neither torch nor the database."""

import csv
import json
import tomllib
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
from linearityiqa.reproduce.run_data import BhatLog, Curve
from linearityiqa.reproduce.setup import Job

State = Literal["missing", "part done", "done", "diverged", "refused"]
MAX_BYTES = 1 << 20
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


def progress_of(job: Job) -> Progress:
    """Progress of a run and of the tests of its model; a folder of another configuration is refused in `words`."""
    trained = training_progress(job.config)
    if trained.state != "done":
        return trained
    waiting = [test for test in job.tests if not is_tested(test, job.folder)]
    if waiting:
        return Progress("part done", f"trained, not yet tested on {waiting[0].data.dataset}")
    return trained


def training_progress(config: TrainConfig) -> Progress:
    """Progress of the training of a run."""
    folder = run_folder(config)
    try:
        if not (folder / runfiles.CONFIG).exists():
            if (folder / runfiles.RESULTS).exists() or (folder / runfiles.STATE).exists():
                raise DataError(f"{folder} holds results, but no {runfiles.CONFIG} that says of which run.{_REMEDY}")
            return Progress("missing")
        _check_options(folder, config)
        if (folder / runfiles.MODEL).exists() and (folder / runfiles.RESULTS).exists():
            _check_results(folder, config)
            return Progress("done")
        if (folder / runfiles.DIVERGED).exists():
            return Progress("diverged", str(read_json(folder / runfiles.DIVERGED).get("message", "")))
        if not (folder / runfiles.STATE).exists():
            return Progress("missing")
        return Progress("part done", f"{last_epoch(folder)} of {config.optimiser.epochs} epochs")
    except DataError as refusal:
        return Progress("refused", str(refusal))


def is_tested(test: TestConfig, run: Path) -> bool:
    """Whether a test's results are there, and are of the model that the run folder holds now."""
    if test.output is None or not (test.output / runfiles.RESULTS).exists():
        return False
    try:
        found = read_json(test.output / runfiles.RESULTS).get("model_sha256")
    except DataError:
        return False
    return bool(found == sha256_of(run / runfiles.MODEL))


def saved_config(folder: Path) -> TrainConfig:
    """The configuration that a run folder holds.

    Raises:
        DataError: config.toml is missing or damaged.
    """
    path = folder / runfiles.CONFIG
    return _parsed(path, lambda text: from_dict(TrainConfig, tomllib.loads(text), str(path)))


def read_json(path: Path) -> dict[str, Any]:
    """The object in a small JSON file.

    Raises:
        DataError: the file is missing, too large, or holds no JSON object.
    """

    def parse(text: str) -> dict[str, Any]:
        values = json.loads(text)
        if not isinstance(values, dict):
            raise ValueError("it holds no object")
        return values

    return _parsed(path, parse)


_REMEDY = " Train the run again with --fresh, or name another folder with --log_dir."


def _parsed(path: Path, parse: Callable[[str], T]) -> T:
    """Value that `parse` makes of a small text file; DataError if it cannot be read or parsed."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ValueError("it is too large")
        return parse(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as cause:
        raise DataError(f"cannot read {path}: {cause}.{_REMEDY}") from cause


def _check_options(folder: Path, config: TrainConfig) -> None:
    expected, present = result_options(config), result_options(saved_config(folder))
    if expected != present:
        raise DataError(f"{folder} holds a run of another configuration ({_difference(expected, present)}).{_REMEDY}")


def _check_results(folder: Path, config: TrainConfig) -> None:
    found = read_json(folder / runfiles.RESULTS).get("run")
    if found != run_name(config):
        raise DataError(f"{folder / runfiles.RESULTS} is of another run ({found}).{_REMEDY}")


def _difference(expected: dict[str, dict[str, Any]], present: dict[str, dict[str, Any]]) -> str:
    """The first option in which two configurations differ, in words."""
    for group in dict.fromkeys((*expected, *present)):
        ours, theirs = expected.get(group, {}), present.get(group, {})
        for name in dict.fromkeys((*ours, *theirs)):
            if ours.get(name) != theirs.get(name):
                shown = [repr(options[name]) if name in options else "the default" for options in (theirs, ours)]
                return f"its {name} is {shown[0]}, not {shown[1]}"
    return "the same options in another order"


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
