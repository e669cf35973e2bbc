"""Everything a run needs to go on after a stop as if nothing had been, in one file."""

import contextlib
import io
import os
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

import torch

from linearityiqa.config import runfiles
from linearityiqa.errors import TrainingError
from linearityiqa.files import atomic_path, new_folder, try_lock
from linearityiqa.training.distributed import ALONE, World

FORMAT = 2
Phase = Literal["train", "evaluate", "final", "finished"]


@dataclass
class RunState:
    """The resumable state of a run; `last.pt` is exactly its fields.

    Attributes:
        fingerprint: digest of the options and the labels that the state belongs to.
        epoch: the epoch under way, from 1.
        step: batches of this epoch that are done.
        phase: what the epoch is at; `final` is the last test with the best weights.
        network, optimizer, scaler, average: their state dicts; no average without `ema_decay`.
        random: torch's generators by kind of device, a row for each process.
        losses: the loss of each iteration of the run.
        norms: with log_bhat, (fused, stage3, stage4) norms of each iteration.
        metrics: rows of metrics.csv.
        timing: rows of timing.csv.
        scalars: what went to TensorBoard after each epoch, as (tag, step, value).
        best: weights, epoch, criterion, mapping and raw predictions of the best epoch.
        scores: raw predictions of the evaluation under way, by split, NaN where not yet made.
        seconds: time spent on the phase under way.
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
    scalars: list[tuple[str, int, float]] = field(default_factory=list)
    best: dict[str, Any] = field(default_factory=dict)
    scores: dict[str, torch.Tensor] = field(default_factory=dict)
    seconds: float = 0.0
    processes: int = 1
    arithmetic: str = ""

    def save(self, folder: Path) -> None:
        """Write `last.pt` whole or not at all.

        Raises:
            TrainingError: the folder cannot be written; the state saved before is untouched.
        """
        try:
            with atomic_path(folder / runfiles.STATE) as temporary:
                torch.save({"format": FORMAT, **{f.name: getattr(self, f.name) for f in fields(self)}}, temporary)
        except (OSError, RuntimeError) as cause:  # torch reports a full disk as a RuntimeError
            raise TrainingError(
                f"cannot save the state of the run in {folder}: {cause}. Free space or mend the folder's permissions; "
                "the same command then goes on from the last saved state."
            ) from cause

    @classmethod
    def load(cls, folder: Path, fingerprint: str, world: World = ALONE) -> "RunState":
        """The saved state of the run in `folder`, which only process 0 needs to have.

        Raises:
            TrainingError: the state is damaged, or belongs to other options or labels.
        """
        path = folder / runfiles.STATE
        try:
            if world.size > 1:
                content = world.from_main(path.read_bytes() if world.is_main else b"")
            file = path if world.size == 1 else io.BytesIO(content)
            values = torch.load(file, map_location="cpu", weights_only=True)
            if values.pop("format") != FORMAT:
                raise ValueError("it was written by another version")
            state = cls(**values)
        except Exception as cause:  # torch.load raises many kinds for a damaged file
            raise TrainingError(f"cannot read {path}: {cause}. Start over with --fresh.") from cause
        if state.fingerprint != fingerprint:
            raise TrainingError(
                f"{folder} holds a run of other options or other labels. Name another folder with --output, or start "
                "over with --fresh."
            )
        return state

    def capture_random(self, device: torch.device, world: World) -> None:
        """Note the state of torch's generators in every process."""
        states = [torch.get_rng_state()]
        if device.type == "cuda":
            states.append(torch.cuda.get_rng_state(device))
        rows = world.gather(*(state[None] for state in states))
        self.random, self.processes = dict(zip(("cpu", "cuda"), rows, strict=False)), world.size

    def restore_random(self, device: torch.device, world: World) -> None:
        """Set torch's generators to what was noted in this process; one that was not there keeps its own."""
        if world.rank >= self.processes:
            return
        # copies: torch reads a generator's state from the start of the memory that a row is part of
        torch.set_rng_state(self.random["cpu"][world.rank].clone())
        if device.type == "cuda" and "cuda" in self.random:
            torch.cuda.set_rng_state(self.random["cuda"][world.rank].clone(), device)


@contextlib.contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """Hold the run folder for this process; the hold ends with the process, however it ends.

    A run that fails before there is anything worth keeping leaves no folder behind.

    Raises:
        TrainingError: another process holds it, or the folder cannot be made or written.
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
        try:
            yield
        except BaseException:
            if not any((folder / name).exists() for name in runfiles.LASTING):
                written = {path for pattern in (*runfiles.ALL, lock.name) for path in folder.glob(pattern)}
                for path in written - before:
                    path.unlink()
            raise
