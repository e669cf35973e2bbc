"""The authors' published layout of results: read as a source of the items, and written from ours.

`csv/*.csv` are curves as TensorBoard exports them (columns Wall time, Step, Value), `npy/*.npy` predictions, and
`bhat.log` the norms b. The need says which file holds its result (`published`).
"""

import csv
import logging
import math
import os
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from linearityiqa.errors import DataError
from linearityiqa.evaluation import read_authors_npy, write_authors_npy
from linearityiqa.files import atomic_path
from linearityiqa.quality import QualityScores
from linearityiqa.reproduce.item import BhatNeed, CurveNeed, Gathered, Need, PredictionsNeed, PredictionsSet
from linearityiqa.run_curves import BhatLog, Curve

COLUMNS = ("Wall time", "Step", "Value")
"""Columns of a curve's file."""
BHAT_PREFIX = "bhat = "
"""Start of the lines of a log that hold a value: of the fused head, stage 3, stage 4, in turn."""
AUTHORS_ITERATIONS_PER_EPOCH = 883
"""Batches of one epoch in the authors' log: 7058 training images by 8."""
LENGTH_PREFIX = "iterations per epoch = "
"""Start of the line by which our logs say their own; the authors' have none."""
MAX_CURVE_BYTES = 16 * 1024 * 1024
MAX_LOG_BYTES = 2 * 1024**3
MAX_ITERATIONS = 10_000_000
_LONGEST_LINE = 1 << 16

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class AuthorsLayout:
    """A folder in the authors' layout, as a source of results; a file it lacks, or that is damaged, is a DataError."""

    folder: Path

    def curve(self, need: CurveNeed) -> Curve:
        """Read the CSV file of a curve."""
        return read_curve(self._path(need))

    def predictions(self, need: PredictionsNeed) -> PredictionsSet:
        """Read the .npy file of predictions."""
        results = read_authors_npy(self._path(need))
        return PredictionsSet(results.predictions, results.mapping)

    def bhat(self, need: BhatNeed) -> BhatLog:
        """Read the log of b."""
        return read_bhat_log(self._path(need))

    def _path(self, need: Need) -> Path:
        if need.published is None:
            raise DataError(f"the authors' layout has no file for {need}. Train that run.")
        path = self.folder / need.published
        if not path.is_file():
            raise DataError(f"{path} is missing{_misnamed(path)}.")
        return path


def export(results: Gathered, folder: Path) -> tuple[Path, ...]:
    """Write results in the authors' layout; those that it has no file for are left out."""
    written: list[Path] = []
    found: tuple[tuple[Need, Curve | PredictionsSet | BhatLog], ...] = (
        *results.curves.items(),
        *results.predictions.items(),
        *results.bhat.items(),
    )
    for need, value in found:
        if need.published is None:
            continue
        path = folder / need.published
        match value:
            case Curve():
                write_curve(path, value)
            case PredictionsSet():
                write_authors_npy(path, value.predictions, value.mapping)
            case BhatLog():
                write_bhat_log(path, value)
        written.append(path)
    return tuple(written)


def read_curve(path: Path) -> Curve:
    """Read a curve as TensorBoard exports it; a value that is not a number (nan, inf, empty) becomes nan.

    Raises:
        DataError: the file is missing, too large or no CSV text, lacks a column, or has a step that is no whole number
            or does not rise; the message names the line.
    """
    steps: list[int] = []
    values: list[float] = []
    times: list[float] = []
    for line, row in _csv_rows(path):
        step = _number(path, line, "Step", row[1])
        if not step.is_integer() or abs(step) > 2**53 or (steps and step <= steps[-1]):
            raise DataError(
                f"{path}, line {line}: step {row[1]} does not follow {steps[-1] if steps else 'the header'}."
            )
        steps.append(int(step))
        value = _number(path, line, "Value", row[2]) if row[2] else math.nan
        values.append(value if math.isfinite(value) else math.nan)
        times.append(_number(path, line, "Wall time", row[0]) if row[0] else math.nan)
    return Curve(np.array(steps, dtype=np.int64), np.array(values, dtype=np.float64), np.array(times, dtype=np.float64))


def write_curve(path: Path, curve: Curve) -> None:
    """Write a curve as TensorBoard exports it, atomically; all digits of each number."""
    times = np.full(len(curve.steps), np.nan) if curve.wall_times is None else curve.wall_times
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(zip(times.tolist(), curve.steps.tolist(), curve.values.tolist(), strict=True))


def read_bhat_log(path: Path) -> BhatLog:
    """Read a log of b, line by line: every line but `bhat = X` is ignored. An unfinished last iteration is dropped.

    Raises:
        DataError: the file is missing or too large, holds no whole iteration, or X is no number; the message names
            the line.
    """
    values = array("d")  # a list of Python's floats would take four times the memory
    per_epoch = AUTHORS_ITERATIONS_PER_EPOCH
    for number, line in _log_lines(path):
        if line.startswith(BHAT_PREFIX):
            values.append(_number(path, number, "bhat", line.removeprefix(BHAT_PREFIX).strip()))
            if len(values) > 3 * MAX_ITERATIONS:
                raise DataError(f"{path} has more than {MAX_ITERATIONS} iterations. Check that it is a log of b.")
        elif line.startswith(LENGTH_PREFIX):
            length = _number(path, number, LENGTH_PREFIX, line.removeprefix(LENGTH_PREFIX).strip())
            if not (length.is_integer() and 1 <= length <= MAX_ITERATIONS):
                raise DataError(f"{path}, line {number}: {length:g} iterations per epoch cannot be. Copy it again.")
            per_epoch = int(length)
    whole = len(values) // 3
    if not whole:
        raise DataError(f"{path} has no iteration of three lines '{BHAT_PREFIX}X'. Check that it is a log of b.")
    if len(values) % 3:
        _logger.warning("%s ends inside an iteration; its last %d values are left out.", path, len(values) % 3)
    fused, stage3, stage4 = np.array(values[: 3 * whole], dtype=np.float64).reshape(whole, 3).T
    return BhatLog(QualityScores(stage3=stage3, stage4=stage4, fused=fused), per_epoch)


def write_bhat_log(path: Path, log: BhatLog) -> None:
    """Write a log of b in the authors' layout, atomically, with a line that says how long an epoch is."""
    rows = zip(log.values.fused.tolist(), log.values.stage3.tolist(), log.values.stage4.tolist(), strict=True)
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8") as stream:
        stream.write(f"{LENGTH_PREFIX}{log.iterations_per_epoch}\n")
        for row in rows:
            stream.writelines(f"{BHAT_PREFIX}{value}\n" for value in row)


def _csv_rows(path: Path) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Yield line number and the cells of `COLUMNS` of each row that is not blank."""
    _check_size(path, MAX_CURVE_BYTES)
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.reader(stream)
            header = [cell.strip() for cell in next(reader, [])]
            absent = [name for name in COLUMNS if name not in header]
            if absent:
                raise DataError(f"{path} has no column {absent[0]}. It needs the columns {', '.join(COLUMNS)}.")
            places = [header.index(name) for name in COLUMNS]
            for row in reader:
                if not any(cell.strip() for cell in row):
                    continue
                if len(row) != len(header):
                    raise DataError(f"{path}, line {reader.line_num}: {len(row)} values for {len(header)} columns.")
                yield reader.line_num, tuple(row[place].strip() for place in places)
    except (OSError, UnicodeDecodeError, csv.Error) as cause:
        raise DataError(f"{path} is not a CSV text file that can be read: {cause}. Copy it again.") from cause


def _log_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield number and text of each line; of a line longer than any value's, its pieces."""
    _check_size(path, MAX_LOG_BYTES)
    try:
        with path.open(encoding="utf-8", errors="replace") as stream:
            yield from enumerate(iter(lambda: stream.readline(_LONGEST_LINE), ""), start=1)
    except OSError as cause:
        raise DataError(f"{path} cannot be read: {cause.strerror or cause}. Check its permissions.") from cause


def _check_size(path: Path, limit: int) -> None:
    try:
        size = path.stat().st_size
    except OSError as cause:
        raise DataError(f"cannot read {path}: {cause.strerror or cause}. Check the path.") from cause
    if size > limit:
        raise DataError(f"{path} has {size} bytes, more than {limit}. Check that it is the file it should be.")


def _number(path: Path, line: int, name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError as cause:
        raise DataError(
            f"{path}, line {line}: {name.strip(' =')} is {text[:40]!r}, not a number. Copy it again."
        ) from cause


def _misnamed(path: Path) -> str:
    """Return a hint at a file whose name differs only in case or separators."""

    def plain(name: str) -> str:
        return "".join(character for character in name.lower() if character.isalnum())

    if not path.parent.is_dir():
        return f": there is no folder {path.parent}"
    with os.scandir(path.parent) as entries:
        alike = [entry.name for entry in islice(entries, 10_000) if plain(entry.name) == plain(path.name)]
    return f"; {min(alike)} beside it may be misnamed" if alike else ""
