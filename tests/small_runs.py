"""A training run of a few seconds, for the tests that need a real one."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
import safetensors.torch
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from linearityiqa.config import (
    DataConfig,
    DeviceConfig,
    LossConfig,
    ModelConfig,
    OptimiserConfig,
    RunConfig,
    TrainConfig,
    TransformConfig,
)
from linearityiqa.losses import QualityLoss
from linearityiqa.models import LinearityIQA
from linearityiqa.training.images import LabelScaling
from linearityiqa.training.optimisation import build_optimizer
from linearityiqa.training.precision import choose_precision
from linearityiqa.training.step import TrainingStep

SMALL_BACKBONE = "shufflenet_v2_x0_5"


def small_run(
    labels: Path,
    folder: Path,
    *,
    workers: int = 0,
    loss: LossConfig | None = None,
    architecture: str = SMALL_BACKBONE,
    transform: TransformConfig | None = None,
    **run,
) -> TrainConfig:
    """Two epochs of three batches on the twelve training images of the `photo_database`."""
    return TrainConfig(
        loss=loss or LossConfig(),
        model=ModelConfig(architecture=architecture),
        data=DataConfig(dataset=str(labels)),
        transform=transform or TransformConfig(),
        optimiser=OptimiserConfig(weights="none", batch_size=4, epochs=2, learning_rate=1e-3),
        device=DeviceConfig(device="cpu", num_workers=workers),
        run=RunConfig(output=folder, **run),
    )


def training_step(
    network: LinearityIQA, options: OptimiserConfig, loss: LossConfig | None = None, **more
) -> TrainingStep:
    """A step on the CPU, by default with the MOS as they are given."""
    return TrainingStep(
        network=network,
        loss_function=QualityLoss(loss),
        optimizer=build_optimizer(network, options),
        precision=choose_precision(options, torch.device("cpu")),
        options=options,
        **{"labels": LabelScaling(), **more},
    )


def changed(config: TrainConfig, **optimiser) -> TrainConfig:
    """The same run with other options of the optimiser."""
    return replace(config, optimiser=replace(config.optimiser, **optimiser))


def traces(folder: Path) -> dict[str, object]:
    """What must not differ between two runs that are to be the same: weights, metrics, predictions and scalars."""
    events = EventAccumulator(str(folder), size_guidance={"scalars": 0}).Reload()
    scalars = {tag: [(event.step, event.value) for event in events.Scalars(tag)] for tag in events.Tags()["scalars"]}
    return {
        "weights": {
            name: tensor.numpy().tobytes()
            for name, tensor in safetensors.torch.load_file(folder / "model.safetensors").items()
        },
        "metrics": (folder / "metrics.csv").read_text(),
        "predictions": (folder / "predictions.csv").read_text(),
        "scalars": scalars,
    }


class Killed(BaseException):
    """Stands for a SIGKILL: nothing of the program gets to run after it."""


@contextmanager
def killed_at(owner: type | ModuleType, name: str, call: int) -> Iterator[None]:
    """Die inside the block, in the call number `call` of a method or function, before that does anything."""
    original, calls = getattr(owner, name), 0

    def counted(*args, **options):
        nonlocal calls
        calls += 1
        if calls == call:
            raise Killed
        return original(*args, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(owner, name, counted)
        with pytest.raises(Killed):
            yield
