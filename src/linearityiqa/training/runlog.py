"""The readable record of a run: CSV files and TensorBoard events, all made from the resumable state."""

import csv
import io
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch.utils.tensorboard import SummaryWriter

from linearityiqa.config import runfiles
from linearityiqa.evaluation import AUTHORS_SUFFIXES, Evaluation
from linearityiqa.files import write_text
from linearityiqa.training.state import RunState

FIGURES = ("SROCC", "PLCC", "KROCC", "RMSE")
METRICS_COLUMNS = (
    "epoch",
    "split",
    *(figure if head == "fused" else f"{figure}_{head}" for head in AUTHORS_SUFFIXES for figure in FIGURES),
    "loss",
    "learning_rate",
)
TIMING_COLUMNS = ("epoch", "phase", "seconds", "images_per_second", "peak_memory_mb")
NORM_COLUMNS = ("iteration", *AUTHORS_SUFFIXES)


def metrics_row(epoch: int, split: str, evaluation: Evaluation | None, *, mapped: bool) -> dict[str, Any]:
    """A row of metrics.csv; RMSE stays empty unless the scores were `mapped` to MOS by a fitted line."""
    row: dict[str, Any] = {"epoch": epoch, "split": split}
    if evaluation is not None:
        for head in AUTHORS_SUFFIXES:
            figures = getattr(evaluation.agreement, head).as_dict()
            for figure in FIGURES:
                if mapped or figure != "RMSE":
                    row[figure if head == "fused" else f"{figure}_{head}"] = figures[figure]
    return row


def peak_memory_mb(device: torch.device) -> float:
    """Most memory used so far: of the GPU where there is one, else of this process (resident), in MB."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 1e6
    try:
        import resource
    except ImportError:  # Windows has no such module
        return float("nan")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6  # bytes on macOS, KiB elsewhere


class RunLog:
    """Writes metrics.csv, timing.csv, bhat.csv and TensorBoard events of a run folder.

    The CSV files are rewritten whole from the state, so they never hold more than the state does. Events cannot be
    taken back once written: on resuming, the files of the run are replaced by one made from the state.
    """

    def __init__(self, folder: Path, database: str, state: RunState, *, log_norms: bool) -> None:
        self.folder, self.database, self.log_norms = folder, database, log_norms
        for stale in folder.glob("events.out.tfevents.*"):
            stale.unlink()
        self._events = SummaryWriter(str(folder))
        for iteration, loss in enumerate(state.losses, start=1):
            self.iteration(iteration, loss)
        for tag, step, value in state.scalars:
            self._events.add_scalar(tag, value, step)
        self.write_tables(state)

    def iteration(self, iteration: int, loss: float) -> None:
        """Log the loss of one iteration of the run, counted from 1."""
        self._events.add_scalar("train/loss", loss, iteration)

    def epoch(self, state: RunState, rows: Iterable[dict[str, Any]]) -> None:
        """Log the rows of metrics.csv that an epoch has added, and keep their scalars in the state."""
        for row in rows:
            for figure, value in row.items():
                if figure in METRICS_COLUMNS[2:-2] and value is not None:
                    scalar = (f"{row['split']}/{self.database}/{figure}", int(row["epoch"]), float(value))
                    state.scalars.append(scalar)
                    self._events.add_scalar(scalar[0], scalar[2], scalar[1])
        self._events.flush()

    def write_tables(self, state: RunState) -> None:
        """Rewrite the CSV files from the state."""
        write_text(self.folder / runfiles.METRICS, _csv(METRICS_COLUMNS, state.metrics))
        write_text(self.folder / runfiles.TIMING, _csv(TIMING_COLUMNS, state.timing))
        if self.log_norms:
            rows = [
                dict(zip(NORM_COLUMNS, (iteration, *norms), strict=True))
                for iteration, norms in enumerate(state.norms, start=1)
            ]
            write_text(self.folder / runfiles.BHAT, _csv(NORM_COLUMNS, rows))

    def close(self) -> None:
        """Flush and close the event file."""
        self._events.close()


class NoLog(RunLog):
    """The log of a process that writes nothing."""

    def __init__(self) -> None: ...

    def iteration(self, iteration: int, loss: float) -> None:
        """Nothing."""

    def epoch(self, state: RunState, rows: Iterable[dict[str, Any]]) -> None:
        """Nothing."""

    def write_tables(self, state: RunState) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""


def _csv(columns: Sequence[str], rows: Iterable[dict[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)  # floats by repr: they read back exactly
    return text.getvalue()
