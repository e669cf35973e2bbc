"""The training loop: epochs of steps and evaluations, saved so that a stop at any moment loses next to nothing."""

import contextlib
import itertools
import logging
import math
import time
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from linearityiqa.console import track
from linearityiqa.data.loading.samplers import batch_limit
from linearityiqa.errors import DivergedError, NotFiniteError
from linearityiqa.evaluation import Predictions, evaluate, predict
from linearityiqa.evaluation.transfer import NetworkBatch, network_batches
from linearityiqa.mapping import LinearMapping
from linearityiqa.quality import QualityScores
from linearityiqa.training.criterion import choose_best
from linearityiqa.training.images import Part
from linearityiqa.training.optimisation import restore_optimizer
from linearityiqa.training.runlog import RunLog, metrics_row, peak_memory_mb
from linearityiqa.training.session import Session
from linearityiqa.training.state import RunState
from linearityiqa.training.step import Outcome, norms_of_centred
from linearityiqa.training.stopping import StopRequest

logger = logging.getLogger(__name__)

IDENTITY = QualityScores(LinearMapping(), LinearMapping(), LinearMapping())
STEPS_UNREAD_ON_GPU = 20
"""Steps whose losses stay on a GPU before they are read: reading one waits until all that was asked of it is done."""


class Iteration(NamedTuple):
    """A loss that has been computed, on the device, and whose it is."""

    batch: int
    loss: torch.Tensor
    norms: torch.Tensor | None
    indices: torch.Tensor


class Trainer:
    """Runs the epochs of a session from its state until the best weights are known."""

    def __init__(self, session: Session, state: RunState, log: RunLog, stop: StopRequest) -> None:
        self.session, self.state, self.log, self.stop = session, state, log, stop
        self._last_save = self._mark = time.monotonic()
        self._unread: list[Iteration] = []

    def run(self) -> None:
        """Train and evaluate every epoch that is left; the state ends in phase ``final`` with the best weights."""
        while self.state.phase in ("train", "evaluate"):
            if self.state.phase == "train":
                self.train_epoch()
                self._end_phase()
                self.state.phase = "evaluate"
                self.save()
            rows = self.evaluate_epoch()
            self._end_phase()
            self.state.metrics.extend(rows)
            self.log.epoch(self.state, rows)
            if self._was_last_epoch():
                self._enter_final_phase()
            else:
                self.state.epoch += 1
                self.state.phase = "train"
            self.save()
            self.log.write_tables(self.state)

    def predict(self, part: Part) -> Predictions:
        """Raw scores of a part of the database, going on where a stop left them.

        Raises:
            DivergedError: a score is not finite.
        """
        done = self.state.scores.get(part)

        def keep(scores: NDArray[np.float64]) -> None:
            self.state.scores[part] = torch.from_numpy(scores)
            self.save_if_due(f"while testing on the {part} set in epoch {self.state.epoch}")

        config = self.session.config
        try:
            return predict(
                self.session.evaluated,
                self.session.datasets[part],
                limit=batch_limit(config.device.eval_batch_size, gpu=self.session.device.type == "cuda"),
                device=self.session.device,
                normalisation=self.session.network.normalisation,
                num_workers=self.session.workers,
                autocast=self.session.precision.evaluation,
                progress=f"epoch {self.state.epoch}/{config.optimiser.epochs}, {part} set",
                bar=config.run.pbar,
                done=None if done is None else done.numpy(),
                on_batch=keep,
                peers=self.session.world,
            )
        except NotFiniteError as cause:
            raise DivergedError(f"the run diverged in epoch {self.state.epoch}: {cause}") from cause

    def save_if_due(self, where: str) -> None:
        """Save the state where it is time to; where a stop was asked for, save it and stop."""
        due = time.monotonic() - self._last_save >= 60 * self.session.config.run.save_minutes
        # all processes do at the same step what one of them is asked for
        signal_number, due_somewhere = self.session.world.all_reduce_max(self.stop.signal_number or 0, due)
        if signal_number:
            self.save()
            self.stop.signal_number = int(signal_number)
            folder = self.session.folder
            self.stop.raise_if_requested(f"stopped {where}; the same command goes on from the state saved in {folder}")
        if due_somewhere:
            self.save()

    def save(self) -> None:
        """Bring the state up to date with network, optimiser and generators, and write it."""
        state, step = self.state, self.session.step
        self._read_losses()  # before anything is written: weights after a loss that is no number are never saved
        self._spend_time()
        if state.phase != "final":  # where the network holds the best weights, which the state has already
            state.network = step.network.state_dict()
            state.optimizer = step.optimizer.state_dict()
            state.scaler = step.precision.scaler.state_dict()
            state.average = {} if step.average is None else step.average.state_dict()
            state.capture_random(self.session.device, self.session.world)
        state.arithmetic = self.session.arithmetic
        if self.session.world.is_main:
            state.save(self.session.folder)
        self._last_save = time.monotonic()

    def restore(self) -> None:
        """Set network, optimiser and generators to what the state holds."""
        state, step = self.state, self.session.step
        if state.phase == "final":
            self.session.evaluated.load_state_dict(state.best["weights"])
            return
        step.network.load_state_dict(state.network)
        restore_optimizer(step.optimizer, state.optimizer)
        step.precision.scaler.load_state_dict(state.scaler)
        if step.average is not None:
            step.average.load_state_dict(state.average)
        state.restore_random(self.session.device, self.session.world)

    def _enter_final_phase(self) -> None:
        """Take the best weights and what is known of their predictions; drop what only training needs."""
        state = self.state
        self.session.evaluated.load_state_dict(state.best["weights"])
        state.phase = "final"
        state.scores = state.best["scores"]
        state.network, state.optimizer, state.scaler, state.average, state.random = {}, {}, {}, {}, {}

    def _was_last_epoch(self) -> bool:
        """Whether the epoch that was just evaluated ends the training: the last one, or one of too many in vain."""
        options, epoch = self.session.config.optimiser, self.state.epoch
        if epoch == options.epochs:
            return True
        if options.patience is None or epoch - self.state.best["epoch"] < options.patience:
            return False
        logger.info("no better epoch since epoch %d: training ends", self.state.best["epoch"])
        return True

    def train_epoch(self) -> None:
        """Train on the batches of the epoch that are left.

        Raises:
            DivergedError: a loss is not finite.
            Interrupted: a stop was asked for; the state is saved.
        """
        session, state, config = self.session, self.state, self.session.config
        step, total = session.step, session.batches_per_epoch
        session.network.train()
        session.batches.start_at(state.epoch, state.step)
        bar = f"epoch {state.epoch}/{config.optimiser.epochs}"
        numbers = range(state.step + 1, total + 1)
        loaded = zip(
            numbers, network_batches(session.loader, session.device, session.network.normalisation), strict=False
        )
        tracked = track(
            loaded,
            bar,
            total=len(numbers),
            bar=config.run.pbar,
            unit="batch",
            images=lambda numbered: session.world.size * len(numbered[1].indices),
            note=lambda: f"loss {state.losses[-1]:.4g}" if state.losses else "",
            afterwards=self._seconds_after_epoch,
        )
        with contextlib.closing(tracked) as batches:
            while group := list(itertools.islice(batches, step.batches_a_loss)):
                number = group[-1][0]
                session.schedule.set(state.epoch, state.step)
                last = number % step.accumulation_steps == 0 or number == total
                self._note(number, [batch for _, batch in group], last=last)
                if last:
                    # the state is only ever saved between updates: half a gradient could not be resumed
                    step.update()
                    state.step = number
                    if len(self._unread) >= (STEPS_UNREAD_ON_GPU if session.device.type == "cuda" else 1):
                        self._read_losses()
                    self.save_if_due(f"in epoch {state.epoch} after batch {number}")
        self._read_losses()

    def _seconds_after_epoch(self, seconds_a_batch: float) -> float:
        """About how long the run goes on when the batches of this epoch are done."""
        spent = [row["seconds"] for row in self.state.timing if row["phase"] == "evaluate"]
        evaluation = sum(spent) / len(spent) if spent else 0.0
        epochs = self.session.config.optimiser.epochs - self.state.epoch
        return epochs * self.session.batches_per_epoch * seconds_a_batch + (epochs + 1) * evaluation

    def _note(self, number: int, batches: list[NetworkBatch], *, last: bool) -> None:
        """Add the gradient of one loss, and remember what there will be to read."""
        config = self.session.config
        outcome: Outcome = self.session.step.accumulate(*batches, last=last)
        norms = None
        if config.run.log_bhat:
            scores = outcome.scores
            norms = norms_of_centred((scores.fused, scores.stage3, scores.stage4), config.loss.q)
        indices = torch.cat([batch.indices for batch in batches])
        self._unread.append(Iteration(number, outcome.loss, norms, indices))

    def _read_losses(self) -> None:
        """Take what the steps since the last call have given into the state, and stop where a loss is no number."""
        unread, self._unread = self._unread, []
        if not unread:
            return
        losses = torch.stack([iteration.loss for iteration in unread]).tolist()
        for iteration, loss in zip(unread, losses, strict=True):
            self._require_finite(loss, iteration)
            self.state.losses.append(loss)
            self.log.iteration(len(self.state.losses), loss)
            if iteration.norms is not None:
                self.state.norms.append(iteration.norms.tolist())

    def _require_finite(self, loss: float, iteration: Iteration) -> None:
        if math.isfinite(loss):
            return
        names = [self.session.training.names[i] for i in iteration.indices[:8].tolist()]
        raise DivergedError(
            f"the loss of epoch {self.state.epoch}, batch {iteration.batch} is {loss} (images {', '.join(names)}"
            f"{', ...' if len(iteration.indices) > 8 else ''}). The last saved state in {self.session.folder} is from "
            "before it; lower --learning_rate, or use --opt_level O0."
        )

    def evaluate_epoch(self) -> list[dict[str, Any]]:
        """Rows of metrics.csv for the epoch; chooses the best epoch on the way."""
        session, state, run = self.session, self.state, self.session.config.run
        parts: list[Part] = ["val"]
        if run.test_during_training or session.config.optimiser.val_criterion == "RMSE":
            parts.insert(0, "train")
        if run.test_during_training and "test" in session.datasets:
            parts.append("test")
        predictions = {part: self.predict(part) for part in parts}
        mapping = predictions["train"].fit_mapping() if "train" in predictions else None
        evaluations = {part: evaluate(predictions[part], mapping or IDENTITY) for part in parts}
        rows = [metrics_row(state.epoch, "train", evaluations.get("train"), mapped=True)]
        losses = state.losses[-session.losses_an_epoch :]
        rows[0]["loss"] = sum(losses) / len(losses)
        rows[0]["learning_rate"] = session.step.optimizer.param_groups[0]["lr"]
        rows += [
            metrics_row(state.epoch, part, evaluations[part], mapped=mapping is not None)
            for part in parts
            if part != "train"
        ]
        choose_best(state, rows, mapping, session)
        return rows

    def _end_phase(self) -> None:
        """Note what the phase that ends has cost, and clear what belongs to it alone."""
        state, session = self.state, self.session
        self._spend_time()
        images = (
            session.batches_per_epoch * session.config.optimiser.batch_size
            if state.phase == "train"
            else sum(len(scores) for scores in state.scores.values())
        )
        state.timing.append(
            {
                "epoch": state.epoch,
                "phase": state.phase,
                "seconds": round(state.seconds, 3),
                "images_per_second": round(images / max(state.seconds, 1e-9), 3),
                "peak_memory_mb": round(peak_memory_mb(session.device), 1),
            }
        )
        state.step, state.scores, state.seconds = 0, {}, 0.0

    def _spend_time(self) -> None:
        now = time.monotonic()
        self.state.seconds += now - self._mark
        self._mark = now
