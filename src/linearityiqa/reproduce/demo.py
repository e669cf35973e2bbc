"""The demo: the paper's story on the built-in database, in minutes, on a CPU, offline."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from linearityiqa.config import (
    DataConfig,
    DemoConfig,
    DeviceConfig,
    LabelScale,
    LossConfig,
    ModelConfig,
    OptimiserConfig,
    RunConfig,
    TrainConfig,
)
from linearityiqa.data.synthetic import make_database
from linearityiqa.data.synthetic.showcase import CLEAN, write_showcase
from linearityiqa.packaged import BUNDLED
from linearityiqa.scoring import ImageScore, Scorer
from linearityiqa.training import RunResult, train

logger = logging.getLogger(__name__)


class Arm(NamedTuple):
    """One way of training that the demo compares."""

    loss: LossConfig
    label_scale: LabelScale


ARMS: Mapping[str, Arm] = {
    "Norm-in-Norm": Arm(LossConfig(loss_type="norm-in-norm"), "given"),
    "MSE": Arm(LossConfig(loss_type="mse"), "given"),
    "MAE": Arm(LossConfig(loss_type="mae"), "given"),
    "MSE, standardised MOS": Arm(LossConfig(loss_type="mse"), "standard"),
}
PROPOSED = "Norm-in-Norm"


@dataclass(frozen=True)
class DemoResult:
    """What the demo has found.

    Attributes:
        database: the CSV file of the database.
        runs: the finished run of each arm.
        tuned: the run that starts from the model in the package.
        photographs: scores of a clean photograph and of its degraded copies, by the model of that run.
    """

    database: Path
    runs: Mapping[str, RunResult]
    tuned: RunResult
    photographs: Mapping[str, ImageScore]

    @property
    def best(self) -> str:
        """The arm with the highest |SROCC| on the validation set."""
        return max(self.runs, key=lambda name: abs(self.runs[name].figure("val", "SROCC")))

    @property
    def in_order(self) -> int:
        """How many degraded copies score below the clean photograph."""
        clean = self.photographs[CLEAN].score
        return sum(
            clean is not None and each.score is not None and each.score < clean
            for name, each in self.photographs.items()
            if name != CLEAN
        )


def run_demo(config: DemoConfig) -> DemoResult:
    """Train and test every arm, go on from the model in the package, and score versions of a photograph.

    Goes on where an earlier call stopped.

    Raises:
        LinearityIQAError: a folder cannot be written, a run fails, or the demo was stopped.
    """
    database = make_database(config.database, progress=not config.quiet)
    runs: dict[str, RunResult] = {}
    for name, arm in ARMS.items():
        logger.info("training with %s", name)
        runs[name] = train(run_config(config, database, arm))
    logger.info("going on from the model in the package")
    tuned = train(tuning_config(config, database))
    shown = write_showcase(config.output / "photographs", config.database)
    scores = Scorer(tuned.model_file, num_threads=1).score_many(shown.values())
    return DemoResult(database, runs, tuned, dict(zip(shown, scores, strict=True)))


def run_config(config: DemoConfig, database: Path, arm: Arm) -> TrainConfig:
    """The training run of one arm: the same budget for all, from random weights."""
    return TrainConfig(
        loss=arm.loss,
        model=ModelConfig(architecture=config.architecture),
        data=DataConfig(dataset=str(database)),
        optimiser=OptimiserConfig(
            seed=config.seed,
            weights="none",
            learning_rate=config.learning_rate,
            ft_lr_ratio=1.0,
            epochs=config.epochs,
            lr_decay=1.0,  # so few epochs are no reason to slow down
            label_scale=arm.label_scale,
        ),
        # with images as small as these, starting processes and waiting for threads cost more than they save
        device=DeviceConfig(num_workers=0, num_threads=1),
        run=RunConfig(log_dir=config.output / "runs", test_during_training=True, pbar=not config.quiet),
    )


def tuning_config(config: DemoConfig, database: Path) -> TrainConfig:
    """The run that starts from the model in the package, which has learned from people's opinions of photographs."""
    return TrainConfig(
        data=DataConfig(dataset=str(database)),
        optimiser=OptimiserConfig(
            seed=config.seed,
            init=BUNDLED,
            learning_rate=3e-4,
            ft_lr_ratio=0.3,
            epochs=config.tuning_epochs,
            schedule="cosine",
        ),
        device=DeviceConfig(num_workers=0, num_threads=1),
        run=RunConfig(log_dir=config.output / "runs", pbar=not config.quiet),
    )
