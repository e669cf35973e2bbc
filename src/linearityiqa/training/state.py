"""The resumable state of a run, in one file, and the lock on its folder."""

import contextlib
import io
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch

from linearityiqa.config import runfiles
from linearityiqa.errors import DataError, TrainingError
from linearityiqa.files import atomic_path, new_folder, try_lock
from linearityiqa.models.tensors import check_crcs
from linearityiqa.run_folders import differing_option, saved_config
from linearityiqa.training.optimisation import restore_optimizer
from linearityiqa.training.session import Session

FORMAT = 2
Phase = Literal["train", "evaluate", "final", "finished"]


@dataclass
class RunState:
    """The resumable state of a run; `last.pt` is exactly its fields.

    Attributes:
        fingerprint: digest of the options and the labels that the state belongs to.
        epoch: the current epoch, from 1.
        step: batches of this epoch that are done.
        phase: of the epoch; `final` is the last test with the best weights.
        network, optimizer, scaler, average: their state dicts; no average without `ema_decay`.
        random: torch's generators by kind of device, a row for each process.
        losses: the loss of each iteration of the run.
        norms: with log_bhat, (fused, stage3, stage4) norms of each iteration.
        metrics: rows of metrics.csv.
        timing: rows of timing.csv.
        best: weights, epoch, criterion, mapping and raw predictions of the best epoch.
        scores: raw predictions of the current evaluation, by split, NaN where not yet made.
        seconds: time spent on the current phase.
        processes: how many have computed together.
        arithmetic: what they computed in, and on, in words.
    """

    fingerprint: str
    epoch: int = 1
    step: int = 0
    phase: Phase = "train"
    network: dict[str, Any] = field(default_factory=dict)
    optimizer: dict[str, Any] = field(default_factory=dict)
    scaler: dict[str, Any] = field(default_factory=dict)
    average: dict[str, Any] = field(default_factory=dict)
    random: dict[str, Any] = field(default_factory=dict)
    losses: list[float] = field(default_factory=list)
    norms: list[list[float]] = field(default_factory=list)
    metrics: list[dict[str, Any]] = field(default_factory=list)
    timing: list[dict[str, Any]] = field(default_factory=list)
    best: dict[str, Any] = field(default_factory=dict)
    scores: dict[str, torch.Tensor] = field(default_factory=dict)
    seconds: float = 0.0
    processes: int = 1
    arithmetic: str = ""

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
            values.pop("scalars", None)  # what earlier versions kept for TensorBoard; `metrics` has it
            state = cls(**values)
        except Exception as cause:  # torch.load raises many kinds for a damaged file
            raise TrainingError(f"cannot read {path}: {cause}. Start over with --fresh.") from cause
        if state.fingerprint != session.fingerprint:
            raise TrainingError(_of_another_run(session))
        return state

    def capture(self, session: Session) -> None:
        """Take over network, optimiser and torch's generators of every process, and what they compute on."""
        self.arithmetic = session.arithmetic
        if self.phase == "final":  # where the network holds the best weights, which the state has already
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
    """Say in what the run in the session's folder differs from the session's, and what to do."""
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
