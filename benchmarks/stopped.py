"""Carry out a command that trains, and have the process send itself a signal at a place of the run.

    python benchmarks/stopped.py SIGKILL 3/train/5 digests.jsonl train --dataset mos.csv --epochs 3

The place EPOCH/STAGE/COUNT is told by the run's own state, not by a clock: it is the same however fast the machine is,
and however often the run has been stopped before. The signal is sent once, at the first place that is met there or
later; with `none` for its name, never. After each epoch a line with a digest of weights, moments and generators is
added to the file that is the third argument.
"""

import contextlib
import hashlib
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

STAGES = ("saved", "train", "trained", "written", "evaluate", "evaluated", "noted", "final", "finish")
"""Stages of an epoch in their order.

Counted are `train`, in batches that are done; `evaluate`, and `final` (the test of the best weights, after the last
epoch), in images; `saved` and `written`, the state before an epoch and before its evaluation: 0 when the file is
complete but not in its place, 1 when it is. Met once: `trained`, after the last batch; `evaluated`, after the last
image; `noted`, when figures are logged but not saved; `finish`, when there is a model file but no results.
"""


class Place(NamedTuple):
    """A place of a run; a later one is greater."""

    epoch: int
    stage: int
    count: int

    @classmethod
    def of(cls, epoch: int, stage: str, count: int = 0) -> "Place":
        """The place with the stage's name."""
        return cls(epoch, STAGES.index(stage), count)

    @classmethod
    def read(cls, text: str) -> "Place":
        """The place that `str` has written."""
        epoch, stage, count = text.split("/")
        return cls.of(int(epoch), stage, int(count))

    def __str__(self) -> str:
        return f"{self.epoch}/{STAGES[self.stage]}/{self.count}"


def main() -> int:
    name, place, digests, *words = sys.argv[1:]

    left = [] if name == "none" else [signal.Signals[name]]  # a second one would end the process at once

    def meet(here: Place) -> None:
        if left and here >= Place.read(place):
            os.kill(os.getpid(), left.pop())

    watch(meet, Path(digests))
    from linearityiqa.cli import main as command

    return command(words)


def watch(meet: Callable[[Place], None], digests: Path) -> None:
    """Have `meet` called at every place of the runs that this process trains, in the thread that trains."""
    from linearityiqa.training import run as training_run
    from linearityiqa.training import state
    from linearityiqa.training.state import RunLog, RunState
    from linearityiqa.training.trainer import Trainer

    def before(owner: Any, name: str, note: Callable[..., None]) -> None:
        original = getattr(owner, name)

        def watched(*args: Any, **options: Any) -> Any:
            note(*args)
            return original(*args, **options)

        setattr(owner, name, watched)

    def progress(trainer: Trainer, _: str) -> None:
        run = trainer.state
        if run.phase == "train":
            meet(Place.of(run.epoch, "train", run.step))
        else:
            images = sum(int(scores.isfinite().all(dim=1).sum()) for scores in run.scores.values())
            meet(Place.of(run.epoch, run.phase, images))

    def phase_ends(trainer: Trainer) -> None:
        if trainer.state.phase == "evaluate":
            line = {"epoch": trainer.state.epoch, "digest": digest_of(trainer)}
            with digests.open("a") as stream:
                stream.write(json.dumps(line) + "\n")
        meet(Place.of(trainer.state.epoch, {"train": "trained", "evaluate": "evaluated"}[trainer.state.phase]))

    before(Trainer, "save_if_due", progress)
    before(Trainer, "_end_phase", phase_ends)
    before(training_run, "write_predictions_csv", lambda *_: meet(Place.of(sys.maxsize, "finish")))

    log_epoch, save, atomic_path = RunLog.epoch, RunState.save, state.atomic_path

    def epoch_logged(log: RunLog, rows: Any) -> None:
        log_epoch(log, rows)
        meet(Place.of(rows[0]["epoch"], "noted"))

    def saved(run: RunState, folder: Path) -> None:
        stage = {"train": "saved", "evaluate": "written"}.get(run.phase)
        between = stage is not None and run.step == 0 and not run.scores

        @contextlib.contextmanager
        def half_way(path: Path) -> Iterator[Path]:
            with atomic_path(path) as temporary:
                yield temporary
                if between:
                    meet(Place.of(run.epoch, stage, 0))

        state.atomic_path = half_way
        save(run, folder)
        if between:
            meet(Place.of(run.epoch, stage, 1))

    RunLog.epoch, RunState.save = epoch_logged, saved


def digest_of(trainer: Any) -> str:
    """SHA-256 of weights, moments and random state of a training."""
    import torch

    step = trainer.session.step
    values = [step.network.state_dict(), step.optimizer.state_dict(), torch.get_rng_state()]
    return hashlib.sha256(b"".join(bits_of(values))).hexdigest()


def bits_of(value: Any) -> list[bytes]:
    """The bytes of all numbers in a nest of dicts, lists and tensors, however tensors lie in memory."""
    import torch

    match value:
        case torch.Tensor():
            flat = value.detach().cpu().contiguous().reshape(-1)
            return [repr((value.dtype, value.shape)).encode(), flat.view(torch.uint8).numpy().tobytes()]
        case dict():
            return [part for key, one in value.items() for part in (repr(key).encode(), *bits_of(one))]
        case list() | tuple():
            return [part for one in value for part in bits_of(one)]
        case _:
            return [repr(value).encode()]


if __name__ == "__main__":
    sys.exit(main())
