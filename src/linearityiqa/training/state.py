"""The resumable state of a run, the log that is made from it, and the lock on the run folder."""

import contextlib
import csv
import io
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from torch.utils.tensorboard import SummaryWriter

from linearityiqa.config import runfiles
from linearityiqa.errors import DataError, TrainingError
from linearityiqa.evaluation import AUTHORS_SUFFIXES, Evaluation
from linearityiqa.files import atomic_path, new_folder, try_lock, write_text
from linearityiqa.models.tensors import check_crcs
from linearityiqa.quality import FIGURES
from linearityiqa.run_folders import differing_option, saved_config
from linearityiqa.training.optimisation import restore_optimizer
from linearityiqa.training.session import Session

FORMAT = 2
FIGURE_COLUMNS = {
    (head, figure): runfiles.metrics_column(head, figure) for head in AUTHORS_SUFFIXES for figure in FIGURES
}
"""Column of metrics.csv for a figure of a head."""
METRICS_COLUMNS = ("epoch", "split", *FIGURE_COLUMNS.values(), "loss", "learning_rate")
TIMING_COLUMNS = ("epoch", "phase", "seconds", "images_per_second", "peak_memory_mb")
NORM_COLUMNS = ("iteration", *AUTHORS_SUFFIXES)
Phase = Literal["train", "evaluate", "final", "finished"]


@dataclass
class RunState:
    """The resumable state of a run; `last.pt` is exactly its fields."""

    fingerprint: str  # digest of the options and the labels
    epoch: int = 1  # the current one
    step: int = 0  # batches of this epoch that are done
    phase: Phase = "train"  # of the epoch; `final` is the last test with the best weights
    network: dict[str, Any] = field(default_factory=dict)  # a state dict, as the next three
    optimizer: dict[str, Any] = field(default_factory=dict)
    scaler: dict[str, Any] = field(default_factory=dict)
    average: dict[str, Any] = field(default_factory=dict)  # empty without `ema_decay`
    random: dict[str, Any] = field(default_factory=dict)  # torch's generators by device, a row for each process
    losses: list[float] = field(default_factory=list)  # of each iteration of the run
    norms: list[list[float]] = field(default_factory=list)  # fused, stage3, stage4 of each iteration, with log_bhat
    metrics: list[dict[str, Any]] = field(default_factory=list)  # rows of metrics.csv
    timing: list[dict[str, Any]] = field(default_factory=list)  # rows of timing.csv
    best: dict[str, Any] = field(default_factory=dict)  # weights, epoch, value, mapping and scores of the best epoch
    scores: dict[str, torch.Tensor] = field(default_factory=dict)  # of the current evaluation by split; NaN: not yet
    seconds: float = 0.0  # spent on the current phase
    processes: int = 1  # that computed together
    arithmetic: str = ""  # precision and device, as text

    def save(self, folder: Path) -> None:
        """Write `last.pt` atomically; TrainingError if the folder cannot be written."""
        try:
            with atomic_path(folder / runfiles.STATE) as temporary:
                torch.save({"format": FORMAT, **vars(self)}, temporary)
        except (OSError, RuntimeError) as cause:  # torch reports a full disk as a RuntimeError
            raise TrainingError(
                f"cannot save the state of the run in {folder}: {cause}. Free space or mend the folder's permissions; "
                "the same command then resumes from the last saved state."
            ) from cause

    @classmethod
    def load(cls, session: Session) -> "RunState":
        """Read `last.pt`, which only process 0 needs to have; TrainingError if it is damaged or of another run."""
        path, world = session.folder / runfiles.STATE, session.step.world
        try:
            if world.size > 1:
                content = world.from_main(path.read_bytes() if world.is_main else b"")
            check_crcs(path if world.size == 1 else io.BytesIO(content))
            file = path if world.size == 1 else io.BytesIO(content)
            values = torch.load(file, map_location="cpu", weights_only=True)
            if values.pop("format") != FORMAT:
                raise ValueError("it was written by another version")
            values.pop("scalars", None)  # of earlier versions, for TensorBoard; `metrics` has them
            state = cls(**values)
        except Exception as cause:  # torch.load raises many kinds for a damaged file
            raise TrainingError(f"cannot read {path}: {cause}. Start over with --fresh.") from cause
        if state.fingerprint != session.fingerprint:
            raise TrainingError(_of_another_run(session))
        return state

    def capture(self, session: Session) -> None:
        """Copy network, optimiser and torch's generators of every process, and their arithmetic."""
        self.arithmetic = session.arithmetic
        if self.phase == "final":  # the network holds the best weights, which the state has already
            return
        step = session.step
        self.network = step.network.state_dict()
        self.optimizer = step.optimizer.state_dict()
        self.scaler = step.precision.scaler.state_dict()
        self.average = {} if step.average is None else step.average.state_dict()
        generators = [torch.get_rng_state()]
        if session.device.type == "cuda":
            generators.append(torch.cuda.get_rng_state(session.device))
        rows = step.world.gather(*(generator[None] for generator in generators))
        self.random, self.processes = dict(zip(("cpu", "cuda"), rows, strict=False)), step.world.size

    def restore(self, session: Session) -> None:
        """Set network, optimiser and torch's generators to the state; a process that is new keeps its generators."""
        if self.phase == "final":
            session.evaluated.load_state_dict(self.best["weights"])
            return
        step, device = session.step, session.device
        step.network.load_state_dict(self.network)
        restore_optimizer(step.optimizer, self.optimizer)
        step.precision.scaler.load_state_dict(self.scaler)
        if step.average is not None:
            step.average.load_state_dict(self.average)
        rank = step.world.rank
        if rank >= self.processes:
            return
        # copies: torch reads a generator's state from the start of the memory that a row is part of
        torch.set_rng_state(self.random["cpu"][rank].clone())
        if device.type == "cuda" and "cuda" in self.random:
            torch.cuda.set_rng_state(self.random["cuda"][rank].clone(), device)


def _of_another_run(session: Session) -> str:
    """Return a sentence on how the run in the folder differs from the session's, with the remedy."""
    folder, config = session.folder, session.config
    with contextlib.suppress(DataError):  # process 0 alone need have the folder
        saved = saved_config(folder)
        difference = differing_option(saved, config)
        if not difference and saved.run.debug != config.run.debug:
            difference = f"its debug is {saved.run.debug}, not {config.run.debug}"
        reason = f"other options ({difference})" if difference else "other labels or another split"
        message = f"{folder} holds a run of {reason}. Name another folder with --output, or start over with --fresh."
        if difference and (folder / runfiles.MODEL).exists():
            message += f" In another folder, --init {folder / runfiles.MODEL} goes on from its model."
        return message
    return f"{folder} holds a run of other options or labels. Name another with --output, or start over with --fresh."


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
    """Return the peak memory so far in MB: of the GPU if the device is one, else of this process (resident)."""
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


@contextlib.contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """Lock the run folder for this process; TrainingError if another one has it, or it cannot be written.

    A run that fails before anything is worth keeping leaves no folder behind.
    """
    lock = folder / runfiles.LOCK
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(new_folder(folder))
            before = set(folder.iterdir())
            descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as cause:
            raise TrainingError(
                f"cannot write the run folder {folder}: {cause}. Name another with --output."
            ) from cause
        stack.callback(os.close, descriptor)
        if try_lock(descriptor) is False:  # where there are no locks, two runs in one folder are the user's to avoid
            raise TrainingError(f"another process is training in {folder}. Wait for it, or stop it.")
        for name in runfiles.ALL:  # what a killed run was writing (`atomic_path`)
            for path in folder.glob(f".{name}.*"):
                path.unlink()
        try:
            yield
        except BaseException:
            if not any((folder / name).exists() for name in runfiles.LASTING):
                written = {path for pattern in (*runfiles.ALL, lock.name) for path in folder.glob(pattern)}
                for path in written - before:
                    path.unlink()
            raise
