"""The training loop: epochs of steps and evaluations, saved so that a stop at any moment loses little."""

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
from linearityiqa.errors import DivergedError, Interrupted, NotFiniteError
from linearityiqa.evaluation import Predictions, evaluate, predict
from linearityiqa.evaluation.prefetch import NetworkBatch, network_batches
from linearityiqa.machine import batch_limit
from linearityiqa.mapping import LinearMapping
from linearityiqa.metrics import is_better
from linearityiqa.quality import QualityScores
from linearityiqa.training.images import Part
from linearityiqa.training.session import Session
from linearityiqa.training.state import FIGURE_COLUMNS, RunLog, RunState, metrics_row, peak_memory_mb
from linearityiqa.training.step import norms_of_centred
from linearityiqa.training.stopping import StopRequest

logger = logging.getLogger(__name__)

IDENTITY = QualityScores(LinearMapping(), LinearMapping(), LinearMapping())
STEPS_UNREAD_ON_GPU = 20
"""Steps whose losses stay on a GPU before they are read: reading one waits until all that was asked of it is done."""


class UnreadLoss(NamedTuple):
    """A loss that is still on the device, with the number of its batch, its norms (`log_bhat`) and its images."""

    batch: int
    loss: torch.Tensor
    norms: torch.Tensor | None
    indices: torch.Tensor


class Trainer:
    """Runs the epochs of a session from its state until the best weights are known; process 0 alone has a log.

    Every method may raise `DivergedError` (a loss or a score is not finite) and `Interrupted` (the state is saved).
    """

    def __init__(self, session: Session, state: RunState, log: RunLog | None, stop: StopRequest) -> None:
        self.session, self.state, self.log, self.stop = session, state, log, stop
        self._last_save = self._mark = time.monotonic()
        self._unread: list[UnreadLoss] = []

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
            if self.log is not None:
                self.log.epoch(rows)
            if self._was_last_epoch():
                self._enter_final_phase()
            else:
                self.state.epoch += 1
                self.state.phase = "train"
            self.save()
            if self.log is not None:
                self.log.write_tables(self.state)

    def predict(self, part: Part) -> Predictions:
        """Return raw scores of a part of the database; resume from those before a stop."""
        done = self.state.scores.get(part)

        def keep(scores: NDArray[np.float64]) -> None:
            self.state.scores[part] = torch.from_numpy(scores)
            self.save_if_due(f"while testing on the {part} set in epoch {self.state.epoch}")

        config = self.session.config
        try:
            return predict(
                self.session.evaluated,
                self.session.images.datasets[part],
                limit=batch_limit(config.device.eval_batch_size, gpu=self.session.device.type == "cuda"),
                device=self.session.device,
                normalisation=self.session.step.network.normalisation,
                num_workers=self.session.workers,
                autocast=self.session.step.precision.evaluation,
                progress=f"epoch {self.state.epoch}/{config.optimiser.epochs}, {part} set",
                bar=config.run.pbar,
                done=None if done is None else done.numpy(),
                on_batch=keep,
                peers=self.session.step.world,
            )
        except NotFiniteError as cause:
            raise DivergedError(f"the run diverged in epoch {self.state.epoch}: {cause}") from cause

    def save_if_due(self, where: str) -> None:
        """Save the state every `save_minutes`; if a stop was requested, save it and raise `Interrupted`."""
        due = time.monotonic() - self._last_save >= 60 * self.session.config.run.save_minutes
        # a request to one process is answered by all of them, at the same step
        signal_number, due_somewhere = self.session.step.world.all_reduce_max(self.stop.signal_number or 0, due)
        if signal_number or due_somewhere:
            self.save()
        if signal_number:
            folder = self.session.folder
            raise Interrupted(
                f"stopped {where}; the same command resumes from the state saved in {folder}", int(signal_number)
            )

    def save(self) -> None:
        """Bring the state up to date and write it."""
        self._read_losses()  # before anything is written: weights after a loss that is not finite are never saved
        self._spend_time()
        self.state.capture(self.session)
        if self.session.step.world.is_main:
            self.state.save(self.session.folder)
        self._last_save = time.monotonic()

    def _enter_final_phase(self) -> None:
        """Restore the best weights and their predictions so far; drop the state that only training needs."""
        state = self.state
        self.session.evaluated.load_state_dict(state.best["weights"])
        state.phase = "final"
        state.scores = state.best["scores"]
        state.network, state.optimizer, state.scaler, state.average, state.random = {}, {}, {}, {}, {}

    def _was_last_epoch(self) -> bool:
        """Return whether the evaluated epoch ends the training: by its number, or by `patience`."""
        options, epoch, best = self.session.config.optimiser, self.state.epoch, self.state.best["epoch"]
        impatient = options.patience is not None and epoch - best >= options.patience
        if impatient and epoch < options.epochs:
            logger.info("no better epoch since epoch %d: training ends", best)
        return impatient or epoch == options.epochs

    def train_epoch(self) -> None:
        """Train on the remaining batches of the epoch."""
        session, state, config = self.session, self.state, self.session.config
        step, total = session.step, session.batches_per_epoch
        accumulated = config.optimiser.accumulation_steps
        unread_at_most = STEPS_UNREAD_ON_GPU if session.device.type == "cuda" else 1
        step.network.train()
        session.batches.start_at(state.epoch, state.step)
        numbers = range(state.step + 1, total + 1)
        loaded = network_batches(session.loader, session.device, step.network.normalisation)
        tracked = track(
            zip(numbers, loaded, strict=False),
            f"epoch {state.epoch}/{config.optimiser.epochs}",
            total=len(numbers),
            bar=config.run.pbar,
            unit="batch",
            images=lambda numbered: step.world.size * len(numbered[1].indices),
            note=lambda: f"loss {state.losses[-1]:.4g}" if state.losses else "",
            afterwards=self._seconds_after_epoch,
        )
        with contextlib.closing(tracked) as batches:
            while group := list(itertools.islice(batches, step.batches_a_loss)):
                number = group[-1][0]
                session.schedule.set(state.epoch, state.step)
                last = number % accumulated == 0 or number == total
                in_update = min(accumulated, total - state.step)  # fewer batches at the end of an epoch
                losses = math.ceil(in_update / step.batches_a_loss)
                self._accumulate(number, [batch for _, batch in group], losses=losses, last=last)
                if last:
                    # the state is only ever saved between updates: half a gradient could not be resumed
                    step.update()
                    state.step = number
                    if len(self._unread) >= unread_at_most:
                        self._read_losses()
                    self.save_if_due(f"in epoch {state.epoch} after batch {number}")
        self._read_losses()

    def _seconds_after_epoch(self, seconds_a_batch: float) -> float:
        """Estimate the seconds that the run takes after the batches of this epoch."""
        spent = [row["seconds"] for row in self.state.timing if row["phase"] == "evaluate"]
        evaluation = sum(spent) / len(spent) if spent else 0.0
        epochs = self.session.config.optimiser.epochs - self.state.epoch
        return epochs * self.session.batches_per_epoch * seconds_a_batch + (epochs + 1) * evaluation

    def _accumulate(self, number: int, batches: list[NetworkBatch], *, losses: int, last: bool) -> None:
        """Add the gradient of one of an update's losses; the loss itself is read later."""
        config = self.session.config
        loss, scores = self.session.step.accumulate(*batches, losses=losses, last=last)
        heads = (scores.fused, scores.stage3, scores.stage4)
        norms = norms_of_centred(heads, config.loss.q) if config.run.log_bhat else None
        self._unread.append(UnreadLoss(number, loss, norms, torch.cat([batch.indices for batch in batches])))

    def _read_losses(self) -> None:
        """Move the losses of the steps since the last call into the state, and check that they are finite."""
        unread, self._unread = self._unread, []
        if not unread:
            return
        for step, loss in zip(unread, torch.stack([step.loss for step in unread]).tolist(), strict=True):
            if not math.isfinite(loss):
                names = [self.session.images.training.names[i] for i in step.indices[:8].tolist()]
                raise DivergedError(
                    f"the loss of epoch {self.state.epoch}, batch {step.batch} is {loss} (images {', '.join(names)}"
                    f"{', ...' if len(step.indices) > 8 else ''}). The last saved state in {self.session.folder} is "
                    "from before it; lower --learning_rate, or use --opt_level O0."
                )
            self.state.losses.append(loss)
            if self.log is not None:
                self.log.iteration(len(self.state.losses), loss)
            if step.norms is not None:
                self.state.norms.append(step.norms.tolist())

    def evaluate_epoch(self) -> list[dict[str, Any]]:
        """Return the rows of metrics.csv for the epoch; keep its weights if it is the best so far."""
        session, state, run = self.session, self.state, self.session.config.run
        parts: list[Part] = ["val"]
        if run.test_during_training or session.config.optimiser.val_criterion == "RMSE":
            parts.insert(0, "train")
        if run.test_during_training and "test" in session.images.datasets:
            parts.append("test")
        predictions = {part: self.predict(part) for part in parts}
        mapping = predictions["train"].fit_mapping() if "train" in predictions else None
        evaluations = {part: evaluate(predictions[part], mapping or IDENTITY) for part in parts}
        rows = [metrics_row(state.epoch, "train", evaluations.get("train"), mapped=True)]
        losses = state.losses[-math.ceil(session.batches_per_epoch / session.step.batches_a_loss) :]
        rows[0]["loss"] = sum(losses) / len(losses)
        rows[0]["learning_rate"] = session.step.optimizer.param_groups[0]["lr"]
        rows += [
            metrics_row(state.epoch, part, evaluations[part], mapped=mapping is not None)
            for part in parts
            if part != "train"
        ]
        self._keep_if_best(rows, mapping)
        return rows

    def _keep_if_best(self, rows: list[dict[str, Any]], mapping: QualityScores[LinearMapping] | None) -> None:
        """Keep weights, mapping and predictions of the epoch in the state if it is the best so far."""
        config, state = self.session.config, self.state
        criterion = config.optimiser.val_criterion
        column = FIGURE_COLUMNS[config.loss.judged_head, criterion]
        value = next(row for row in rows if row["split"] == "val").get(column)
        logger.info(
            "epoch %d/%d: loss %.4g, validation %s %s",
            state.epoch,
            config.optimiser.epochs,
            rows[0]["loss"],
            column,
            "not defined" if value is None else f"{value:.4f}",
        )
        if not state.best or is_better(criterion, value, state.best["value"]):
            weights = self.session.evaluated.state_dict()
            state.best = {
                "epoch": state.epoch,
                "value": value,
                "weights": {name: tensor.detach().cpu().clone() for name, tensor in weights.items()},
                "mapping": None if mapping is None else [[line.slope, line.intercept] for line in mapping],
                "scores": dict(state.scores),
            }

    def _end_phase(self) -> None:
        """Add the phase's row of timing.csv, and clear the state of the phase."""
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
