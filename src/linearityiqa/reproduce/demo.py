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
from linearityiqa.data.synthetic.showcase import write_showcase
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
        best: the arm with the highest |SROCC| on the validation set.
        photographs: scores of a clean photograph and of its degraded copy, by the best arm's model.
    """

    database: Path
    runs: Mapping[str, RunResult]
    best: str
    photographs: tuple[ImageScore, ImageScore]


def run_demo(config: DemoConfig) -> DemoResult:
    """Make the database, train and test every arm, and score two photographs; goes on where an earlier call stopped.

    Raises:
        LinearityIQAError: a folder cannot be written, a run fails, or the demo was stopped.
    """
    database = make_database(config.database, progress=not config.quiet)
    runs: dict[str, RunResult] = {}
    for name, arm in ARMS.items():
        logger.info("training with %s", name)
        runs[name] = train(run_config(config, database, arm))
    best = max(runs, key=lambda name: abs(runs[name].figure("val", "SROCC")))
    clean, degraded = write_showcase(config.output / "photographs", config.database)
    scorer = Scorer(runs[best].model_file, num_threads=1)
    first, second = scorer.score_many([clean, degraded])
    return DemoResult(database, runs, best, (first, second))


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
