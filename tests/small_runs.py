"""A training run of a few seconds, for the tests that need a real one."""

from dataclasses import replace
from pathlib import Path

from linearityiqa.config import (
    DataConfig,
    DeviceConfig,
    LossConfig,
    ModelConfig,
    OptimiserConfig,
    RunConfig,
    TrainConfig,
)

SMALL_BACKBONE = "shufflenet_v2_x0_5"


def small_run(labels: Path, folder: Path, *, workers: int = 0, loss: LossConfig | None = None, **run) -> TrainConfig:
    """Two epochs of three batches on the twelve training images of the `photo_database`."""
    return TrainConfig(
        loss=loss or LossConfig(),
        model=ModelConfig(architecture=SMALL_BACKBONE),
        data=DataConfig(dataset=str(labels)),
        optimiser=OptimiserConfig(weights="none", batch_size=4, epochs=2, learning_rate=1e-3),
        device=DeviceConfig(device="cpu", num_workers=workers),
        run=RunConfig(output=folder, **run),
    )


def changed(config: TrainConfig, **optimiser) -> TrainConfig:
    """The same run with other options of the optimiser."""
    return replace(config, optimiser=replace(config.optimiser, **optimiser))
