"""The log of a run: CSV files and TensorBoard events, all made from the resumable state."""

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
from linearityiqa.quality import FIGURES
from linearityiqa.training.state import RunState

FIGURE_COLUMNS = {
    (head, figure): runfiles.metrics_column(head, figure) for head in AUTHORS_SUFFIXES for figure in FIGURES
}
"""Column of metrics.csv for a figure of a head."""
METRICS_COLUMNS = ("epoch", "split", *FIGURE_COLUMNS.values(), "loss", "learning_rate")
TIMING_COLUMNS = ("epoch", "phase", "seconds", "images_per_second", "peak_memory_mb")
NORM_COLUMNS = ("iteration", *AUTHORS_SUFFIXES)


def metrics_row(epoch: int, split: str, evaluation: Evaluation | None, *, mapped: bool) -> dict[str, Any]:
    """Return a row of metrics.csv; without RMSE unless the scores were `mapped` to MOS by a fitted line."""
    row: dict[str, Any] = {"epoch": epoch, "split": split}
    if evaluation is not None:
        figures = evaluation.as_dict()
        for (head, figure), column in FIGURE_COLUMNS.items():
            if mapped or figure != "RMSE":
                row[column] = figures[head][figure]
    return row


def peak_memory_mb(device: torch.device) -> float:
    """Peak memory so far in MB: of the GPU if the device is one, else of this process (resident)."""
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

    The CSV files are rewritten whole from the state. Event files cannot be: a resumed run replaces them by a new one.
    """

    def __init__(self, folder: Path, database: str, state: RunState, *, log_norms: bool) -> None:
        self.folder, self.database, self.log_norms = folder, database, log_norms
        for stale in folder.glob("events.out.tfevents.*"):
            stale.unlink()
        self._events = SummaryWriter(str(folder))
        for iteration, loss in enumerate(state.losses, start=1):
            self.iteration(iteration, loss)
        self._add_figures(state.metrics)
        self.write_tables(state)

    def iteration(self, iteration: int, loss: float) -> None:
        """Log the loss of one iteration of the run, counted from 1."""
        self._events.add_scalar("train/loss", loss, iteration)

    def epoch(self, rows: Iterable[dict[str, Any]]) -> None:
        """Log the rows of metrics.csv that an epoch has added."""
        self._add_figures(rows)
        self._events.flush()

    def _add_figures(self, rows: Iterable[dict[str, Any]]) -> None:
        for row in rows:
            for column in FIGURE_COLUMNS.values():
                if row.get(column) is not None:
                    self._events.add_scalar(f"{row['split']}/{self.database}/{column}", row[column], row["epoch"])

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


def _csv(columns: Sequence[str], rows: Iterable[dict[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)  # floats by repr: they read back exactly
    return text.getvalue()
