"""The parts of a training run, put together from its configuration."""

import contextlib
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from linearityiqa.config import TrainConfig, result_options, run_folder
from linearityiqa.data.databases.table import Database
from linearityiqa.data.loading.dataset import ImageDataset, MixedDataset
from linearityiqa.data.loading.loader import BatchLoader
from linearityiqa.data.loading.processes import default_workers, keep_freed_memory
from linearityiqa.data.loading.samplers import TrainingBatches
from linearityiqa.errors import ConfigError
from linearityiqa.evaluation.device import compile_backbone, place, prepare_device
from linearityiqa.losses import QualityLoss
from linearityiqa.models import LinearityIQA
from linearityiqa.training.averaging import WeightAverage
from linearityiqa.training.distributed import ALONE, World
from linearityiqa.training.images import DEBUG_BATCHES, Part, RunImages, open_run_images
from linearityiqa.training.initial import start_from_model
from linearityiqa.training.optimisation import Schedule, build_optimizer
from linearityiqa.training.precision import (
    Precision,
    arithmetic_of,
    choose_layout,
    choose_precision,
    keep_depthwise_in_float32,
    make_deterministic,
)
from linearityiqa.training.step import TrainingStep
from linearityiqa.training.stopping import StopRequest

STOPPED = "stopped before training; what is decoded into the cache is kept, and the same command goes on"


@dataclass
class Session:
    """Everything that a run works with and that is not resumable state.

    Attributes:
        config: the configuration of the run.
        folder: where the run is written.
        images: the databases, and which of their images are trained and tested on.
        loader: training batches; `batches.start_at` says from where.
        batches: the order of the training images.
        step: network, loss, optimiser and precision.
        schedule: the learning-rate schedule.
        device: where the arithmetic happens.
        workers: processes that decode images.
    """

    config: TrainConfig
    folder: Path
    images: RunImages
    loader: BatchLoader
    batches: TrainingBatches
    step: TrainingStep
    schedule: Schedule
    device: torch.device
    workers: int

    @property
    def database(self) -> Database:
        """The database that the run is validated and tested on."""
        return self.images.database

    @property
    def training(self) -> ImageDataset | MixedDataset:
        """The training images, with augmentation."""
        return self.images.training

    @property
    def datasets(self) -> Mapping[Part, ImageDataset]:
        """The images of each part as they are evaluated; no `test` where there is none."""
        return self.images.datasets

    @property
    def network(self) -> LinearityIQA:
        """The network under training."""
        return self.step.network

    @property
    def evaluated(self) -> LinearityIQA:
        """The network that is evaluated and saved: the one under training, or the average of its weights."""
        return self.network if self.step.average is None else self.step.average.network

    @property
    def world(self) -> World:
        """The processes that train together."""
        return self.step.world

    @property
    def precision(self) -> Precision:
        """Precision of forward passes."""
        return self.step.precision

    @property
    def arithmetic(self) -> str:
        """What this process computes in, and on, in words."""
        return arithmetic_of(self.precision, self.device)

    @property
    def batches_per_epoch(self) -> int:
        """Training batches of one epoch."""
        return batches_per_epoch(self.config, self.batches)

    @property
    def losses_an_epoch(self) -> int:
        """Losses of one epoch: one for each batch, or for the batches of each update with exact accumulation."""
        return -(-self.batches_per_epoch // self.step.batches_a_loss)

    def summary(self) -> str:
        """What is trained on what, how and where, a line each."""
        options, first = self.config.optimiser, self.database
        images = ", ".join(f"{len(data)} {part}" for part, data in self.datasets.items())
        others = [f"; also trained on {len(one.split('train'))} of {one.name}" for one in self.images.databases[1:]]
        parameters = sum(parameter.numel() for parameter in self.network.parameters())
        initial = options.weights if options.init is None else f"{options.init}, heads included"
        weights = "random weights" if initial == "none" else f"initial weights {initial}"
        own = self.precision.evaluation is contextlib.nullcontext and self.precision.name != "float32"
        device = f"{self.device} ({torch.get_num_threads()} threads)" if self.device.type == "cpu" else str(self.device)
        processes = f", {self.world.size} processes" if self.world.size > 1 else ""
        lines = {
            "database": f"{first.name}: {images} images{''.join(others)}",
            "network": f"{self.config.model.architecture}, {parameters:,} parameters, {weights}",
            "device": f"{device}{processes}, {self.precision.name}{' (evaluation in float32)' if own else ''}",
            "training": f"{self.config.loss.loss_type} loss, {self.batches_per_epoch} batches of {options.batch_size} "
            f"images an epoch, {options.epochs} epochs",
            "run folder": str(self.folder),
        }
        return "\n".join(f"{name:<11} {text}" for name, text in lines.items())

    @property
    def fingerprint(self) -> str:
        """Digest of the options and labels that the run's state belongs to."""
        facts = {
            "options": result_options(self.config),
            "debug": self.config.run.debug,
            **self.images.facts,
        }
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def open_session(
    config: TrainConfig, *, resuming: bool, world: World = ALONE, stop: StopRequest | None = None
) -> Session:
    """Put the parts of a run together; labels and images are checked before any weights are loaded.

    Args:
        config: the configuration of the run.
        resuming: the weights will come from a saved state, so initial ones need not be loaded.
        world: the processes that train together.
        stop: a stop asked for here ends the decoding of images into a cache.

    Raises:
        LinearityIQAError: the database, the device, the backbone or its weights are not to be had.
    """
    device = prepare_device(config.device)
    if device.type == "cpu":
        keep_freed_memory()
    _require_shareable(config, world, device)
    workers = default_workers(config.device.num_workers, world.local_size)
    with stop.at_once(STOPPED) if stop else contextlib.nullcontext():
        images = open_run_images(config, workers=workers)
    options = config.optimiser
    batches = TrainingBatches(images.counts, options.batch_size, options.seed, images_a_loss=options.images_a_loss)
    loader = BatchLoader(images.training, world.shares(batches), workers, pin_memory=device.type == "cuda")
    step = _training_step(config, images, device, world, resuming=resuming)
    return Session(
        config=config,
        folder=run_folder(config),
        images=images,
        loader=loader,
        batches=batches,
        step=step,
        schedule=Schedule(step.optimizer, config.optimiser, batches_per_epoch(config, batches)),
        device=device,
        workers=workers,
    )


def _training_step(
    config: TrainConfig, images: RunImages, device: torch.device, world: World, *, resuming: bool
) -> TrainingStep:
    options = config.optimiser
    make_deterministic(world.own_seed(options.seed), randomness=options.randomness)
    precision = choose_precision(options, device)
    from_backbone = options.init is None and world.is_main and not resuming
    network = LinearityIQA(config.model, weights=options.weights if from_backbone else "none")
    if options.init is not None and world.is_main and not resuming:
        start_from_model(network, config, images.database)
    layout = choose_layout(network, precision, device, blocked=not (config.device.compile or options.freeze_bn))
    if device.type == "cpu" and precision.name != "float32":
        keep_depthwise_in_float32(network)
    place(network, device, layout, compiled=config.device.compile)
    if options.freeze_bn:
        network.freeze_batch_norm()
    elif world.size > 1:
        network.synchronise_batch_norm()
    step = TrainingStep(
        network=network,
        loss_function=QualityLoss(config.loss),
        optimizer=build_optimizer(network, options),
        precision=precision,
        labels=images.labels,
        accumulation_steps=options.accumulation_steps,
        exact_accumulation=options.exact_accumulation,
        clip_grad_norm=options.clip_grad_norm,
        layout=layout,
        world=world,
    )
    step.average = _average(config, network, device)  # now that all processes have the weights of the first
    return step


def _require_shareable(config: TrainConfig, world: World, device: torch.device) -> None:
    """Check, before anything is read, that several processes can train what one would.

    Raises:
        ConfigError: a batch has no image for every process, or its statistics cannot be taken over all processes.
    """
    if config.optimiser.batch_size < world.size:
        raise ConfigError(
            f"batch_size {config.optimiser.batch_size} leaves some of the {world.size} processes without images: it "
            "counts the images of all. Raise --batch_size, or start fewer processes."
        )
    if world.size == 1 or device.type == "cuda" or config.optimiser.freeze_bn:
        return
    with torch.device("meta"):
        normalises = LinearityIQA(config.model).has_batch_norm
    if normalises:
        raise ConfigError(
            f"{config.model.architecture} takes batch statistics, which torch adds up over processes on GPUs only: on "
            "a CPU train with --freeze_bn, or with one process."
        )


def _average(config: TrainConfig, network: LinearityIQA, device: torch.device) -> WeightAverage | None:
    if config.optimiser.ema_decay == 0:
        return None
    average = WeightAverage(network, config.optimiser.ema_decay)
    if config.device.compile:  # which a copy is not
        compile_backbone(average.network, device)
    return average


def batches_per_epoch(config: TrainConfig, batches: TrainingBatches) -> int:
    """How many of an epoch's batches are trained on."""
    return min(len(batches), DEBUG_BATCHES) if config.run.debug else len(batches)
