"""The authors' published layout of results: read as a source of the items, and written from ours.

`csv/*.csv` are curves as TensorBoard exports them (columns Wall time, Step, Value), `npy/*.npy` predictions, and
`bhat.log` the norms b. The need says which file holds its result (`published`).
"""

import csv
import itertools
import logging
import math
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from linearityiqa.errors import DataError
from linearityiqa.evaluation import read_authors_npy, write_authors_npy
from linearityiqa.files import atomic_path
from linearityiqa.quality import QualityScores
from linearityiqa.reproduce.item import BhatNeed, CurveNeed, Gathered, Need, PredictionsNeed, PredictionsSet
from linearityiqa.run_folders import BhatLog, Curve, Row, read_rows

COLUMNS = ("Wall time", "Step", "Value")
"""Columns of a curve's file."""
AUTHORS_ITERATIONS_PER_EPOCH = 883
"""Batches of one epoch in the authors' log: 7058 training images by 8."""
LENGTH = "iterations per epoch"
"""Name of the value by which our logs give their own number; the authors' have none."""
COPY_AGAIN = "Copy the file again."
MAX_CURVE_BYTES = 16 * 1024 * 1024
MAX_LOG_BYTES = 256 * 1024 * 1024
"""Size of about three million iterations."""

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
    """Read a curve as TensorBoard exports it; a value that is not a number (nan, inf, empty) becomes nan."""
    rows = read_rows(path, COLUMNS, COPY_AGAIN, MAX_CURVE_BYTES)
    steps, values, times = [row.count("Step") for row in rows], [], []
    for row, before, step in zip(rows, [-1, *steps], steps, strict=False):
        if step <= before:
            raise DataError(f"{row.place}: step {step} does not follow {before}. {COPY_AGAIN}")
        values.append(value if math.isfinite(value := row.number("Value")) else math.nan)
        times.append(row.number("Wall time"))
    return Curve(np.array(steps, dtype=np.int64), np.array(values, dtype=np.float64), np.array(times, dtype=np.float64))


def write_curve(path: Path, curve: Curve) -> None:
    """Write a curve as TensorBoard exports it, atomically; all digits of each number."""
    times = np.full(len(curve.steps), np.nan) if curve.wall_times is None else curve.wall_times
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(zip(times.tolist(), curve.steps.tolist(), curve.values.tolist(), strict=True))


def read_bhat_log(path: Path) -> BhatLog:
    """Read a log of b: every line but `bhat = X` is ignored. An unfinished last iteration is dropped."""
    try:
        if path.stat().st_size > MAX_LOG_BYTES:
            raise DataError(f"{path} has more than {MAX_LOG_BYTES} bytes. Check that it is a log of b.")
        lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    except OSError as cause:
        raise DataError(f"cannot read {path}: {cause.strerror or cause}. Check the path.") from cause
    values, per_epoch = [], AUTHORS_ITERATIONS_PER_EPOCH
    for number, line in enumerate(lines, start=1):
        name, separator, text = line.partition(" = ")
        if not separator or name not in ("bhat", LENGTH):
            continue
        row = Row({name: text}, path, number, COPY_AGAIN)
        if name == "bhat":
            values.append(row.number(name))
        else:
            per_epoch = row.count(name)
    whole = len(values) // 3
    if not whole:
        raise DataError(f"{path} has no iteration of three lines 'bhat = X'. Check that it is a log of b.")
    if len(values) % 3:
        _logger.warning("%s ends inside an iteration; its last %d values are left out.", path, len(values) % 3)
    fused, stage3, stage4 = np.array(values[: 3 * whole], dtype=np.float64).reshape(whole, 3).T
    return BhatLog(QualityScores(stage3=stage3, stage4=stage4, fused=fused), per_epoch)


def write_bhat_log(path: Path, log: BhatLog) -> None:
    """Write a log of b in the authors' layout, atomically, with a line that says how long an epoch is."""
    rows = zip(log.values.fused.tolist(), log.values.stage3.tolist(), log.values.stage4.tolist(), strict=True)
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8") as stream:
        stream.write(f"{LENGTH} = {log.iterations_per_epoch}\n")
        for row in rows:
            stream.writelines(f"bhat = {value}\n" for value in row)


def _misnamed(path: Path) -> str:
    """Return a hint at a file whose name differs only in case or separators."""

    def plain(name: str) -> str:
        return re.sub(r"[\W_]+", "", name.lower())

    if not path.parent.is_dir():
        return f": there is no folder {path.parent}"
    names = (entry.name for entry in itertools.islice(path.parent.iterdir(), 10_000))
    similar = [name for name in names if plain(name) == plain(path.name)]
    return f"; {min(similar)} may be misnamed" if similar else ""
