"""This project's training, in the parts that `make bench` times."""

import tempfile
from pathlib import Path

from linearityiqa.config import (
    DataConfig,
    DeviceConfig,
    ModelConfig,
    OptimiserConfig,
    RunConfig,
    TrainConfig,
    TransformConfig,
)
from linearityiqa.evaluation.prefetch import NetworkBatch, network_batches
from linearityiqa.models.device import keep_memory_of_cpu
from linearityiqa.training.session import open_session
from linearityiqa.training.state import RunLog, RunState
from linearityiqa.training.stopping import StopRequest
from linearityiqa.training.trainer import Trainer


class OurProcedure:
    """A run of `linearityiqa train --test_during_training` with a pixel cache; options as `PublishedProcedure`'s."""

    def __init__(
        self,
        labels: Path,
        architecture: str,
        size: tuple[int, int],
        batch_size: int,
        device: str,
        folder: Path,
        opt_level: str = "O1",
        *,
        randomness: bool = False,
        compiled: bool = False,
    ) -> None:
        self.config = TrainConfig(
            model=ModelConfig(architecture=architecture),
            data=DataConfig(dataset=str(labels)),
            transform=TransformConfig(resize=True, resize_size_h=size[0], resize_size_w=size[1]),
            optimiser=OptimiserConfig(
                weights="none", batch_size=batch_size, epochs=1000, opt_level=opt_level, randomness=randomness
            ),
            device=DeviceConfig(device=device, cache=str(folder / "cache"), compile=compiled),
            run=RunConfig(output=Path(tempfile.mkdtemp(dir=folder)), test_during_training=True, save_minutes=1e6),
        )

    def open(self) -> None:
        """Everything up to the first batch."""
        keep_memory_of_cpu(self.config.device.device)  # as the command does
        self.session = open_session(self.config, resuming=False)
        state = RunState(self.session.fingerprint)
        log = RunLog(self.session.folder, self.session.images.database.name, state, log_norms=False)
        self.trainer = Trainer(self.session, state, log, StopRequest())

    def load(self) -> int:
        """Go through the training batches, as the network takes them; how many images they hold."""
        self.session.batches.start_at(1)
        return sum(
            len(batch.mos)
            for batch in network_batches(
                self.session.loader, self.session.device, self.session.step.network.normalisation
            )
        )

    def first_batch(self) -> NetworkBatch:
        """One training batch."""
        self.session.batches.start_at(1)
        self.session.step.network.train()
        return next(network_batches(self.session.loader, self.session.device, self.session.step.network.normalisation))

    def step(self, batch: NetworkBatch) -> float:
        """One training step on a batch."""
        outcome = self.session.step.accumulate(batch)
        self.session.step.update()
        return outcome.loss.item()

    def start(self) -> NetworkBatch:
        """From nothing to the first step: its batch."""
        self.open()
        return self.first_batch()

    def evaluate(self) -> None:
        """Score all parts, fit the mapping, and compute the agreement."""
        state = self.trainer.state
        state.scores, state.losses = {}, state.losses or [0.0]  # an epoch's mean loss, also before any training
        self.trainer.evaluate_epoch()

    def epoch(self) -> None:
        """Train on every training image, then evaluate."""
        self.trainer.state.step = 0
        self.trainer.train_epoch()
        self.evaluate()
