"""The parts of a training run, put together from its configuration."""

import hashlib
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

from linearityiqa.config import TrainConfig, result_options, run_folder
from linearityiqa.data.augmentation import Augmentation
from linearityiqa.data.databases import open_database
from linearityiqa.data.dataset import ImageDataset, require_equal_sizes
from linearityiqa.data.loader import BatchLoader, make_loader
from linearityiqa.data.samplers import TrainingBatches
from linearityiqa.data.table import Database, ImageTable
from linearityiqa.data.workers import default_workers
from linearityiqa.evaluation.device import place, prepare_device
from linearityiqa.images import ImageTransform
from linearityiqa.losses import QualityLoss
from linearityiqa.models import LinearityIQA
from linearityiqa.training.averaging import WeightAverage
from linearityiqa.training.optimisation import LabelScaling, build_optimizer
from linearityiqa.training.precision import Precision, choose_precision, make_deterministic
from linearityiqa.training.schedules import Schedule
from linearityiqa.training.step import TrainingStep

logger = logging.getLogger(__name__)

Part = Literal["train", "val", "test"]
DEBUG_BATCHES = 5
DEBUG_IMAGES = 5


@dataclass
class Session:
    """Everything that a run works with and that is not resumable state.

    Attributes:
        config: the configuration of the run.
        folder: where the run is written.
        database: the database, whole.
        training: the training images, with augmentation.
        datasets: the images of each part as they are evaluated, without augmentation; no `test` where there is none.
        loader: training batches; `batches.start_at` says from where.
        batches: the order of the training images.
        step: network, loss, optimiser and precision.
        schedule: the learning-rate schedule.
        device: where the arithmetic happens.
        workers: processes that decode images.
    """

    config: TrainConfig
    folder: Path
    database: Database
    training: ImageDataset
    datasets: Mapping[Part, ImageDataset]
    loader: BatchLoader
    batches: TrainingBatches
    step: TrainingStep
    schedule: Schedule
    device: torch.device
    workers: int

    @property
    def network(self) -> LinearityIQA:
        """The network under training."""
        return self.step.network

    @property
    def evaluated(self) -> LinearityIQA:
        """The network that is evaluated and saved: the one under training, or the average of its weights."""
        return self.network if self.step.average is None else self.step.average.network

    @property
    def precision(self) -> Precision:
        """Precision of forward passes."""
        return self.step.precision

    @property
    def batches_an_epoch(self) -> int:
        """Training batches of one epoch."""
        return batches_an_epoch(self.config, self.batches)

    @property
    def losses_an_epoch(self) -> int:
        """Losses of one epoch: one for each batch, or for the batches of each update with exact accumulation."""
        return -(-self.batches_an_epoch // self.step.batches_a_loss)

    @property
    def fingerprint(self) -> str:
        """Digest of the options and labels that the run's state belongs to."""
        table = self.database.table
        facts = {
            "options": result_options(self.config),
            "debug": self.config.run.debug,
            "names": table.names,
            "mos": table.mos.tolist(),
            "splits": {part: rows.tolist() for part, rows in self.database.splits.items()},
        }
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def open_session(config: TrainConfig, *, resuming: bool) -> Session:
    """Put the parts of a run together; labels and images are checked before any weights are loaded.

    Args:
        config: the configuration of the run.
        resuming: the weights will come from a saved state, so initial ones need not be loaded.

    Raises:
        LinearityIQAError: the database, the device, the backbone or its weights are not to be had.
    """
    device = prepare_device(config.device)
    database = open_database(config.data, config.optimiser.seed)
    tables = _tables(database)
    training = _training_set(config, tables["train"])
    workers = default_workers(config.device.num_workers)
    options = config.optimiser
    batches = TrainingBatches(len(training), options.batch_size, options.seed, images_a_loss=options.images_a_loss)
    loader = make_loader(training, batches, workers, pin_memory=device.type == "cuda")
    make_deterministic(config.optimiser.seed, randomness=config.optimiser.randomness)
    network = LinearityIQA(config.model, weights="none" if resuming else config.optimiser.weights)
    place(network, device)
    if config.optimiser.freeze_bn:
        network.freeze_batch_norm()
    precision = choose_precision(config.optimiser, device)
    if precision.name == "float32" and config.optimiser.opt_level != "O0":
        logger.debug("no mixed precision on this device: training runs in float32")
    optimizer = build_optimizer(network, config.optimiser)
    step = TrainingStep(
        network=network,
        loss_function=QualityLoss(config.loss),
        optimizer=optimizer,
        precision=precision,
        labels=LabelScaling.of(config.optimiser, tables["train"].mos),
        accumulation_steps=config.optimiser.accumulation_steps,
        exact_accumulation=config.optimiser.exact_accumulation,
        clip_grad_norm=config.optimiser.clip_grad_norm,
        average=WeightAverage(network, config.optimiser.ema_decay) if config.optimiser.ema_decay > 0 else None,
    )
    return Session(
        config=config,
        folder=run_folder(config),
        database=database,
        training=training,
        datasets={part: evaluation_set(config, table) for part, table in _shortened(config, tables).items()},
        loader=loader,
        batches=batches,
        step=step,
        schedule=Schedule(optimizer, config.optimiser, batches_an_epoch(config, batches)),
        device=device,
        workers=workers,
    )


def batches_an_epoch(config: TrainConfig, batches: TrainingBatches) -> int:
    """How many of an epoch's batches are trained on."""
    return min(len(batches), DEBUG_BATCHES) if config.run.debug else len(batches)


def evaluation_set(config: TrainConfig, table: ImageTable) -> ImageDataset:
    """The images of a table as the run's network is tested on them."""
    transform = ImageTransform(size=config.transform.size, common_size=table.common_size)
    return ImageDataset(table, transform, exif_rotation=config.data.exif_rotation)


def _training_set(config: TrainConfig, table: ImageTable) -> ImageDataset:
    augmentation = Augmentation(config.augmentation) if config.augmentation.augmentation else None
    training = ImageDataset(
        table,
        ImageTransform(size=config.transform.size, common_size=table.common_size),
        augmentation=augmentation,
        seed=config.optimiser.seed,
        exif_rotation=config.data.exif_rotation,
    )
    if config.optimiser.batch_size > 1:  # batches of one image may differ in size, accumulated exactly or not
        require_equal_sizes(training)
    return training


def _tables(database: Database) -> dict[Part, ImageTable]:
    tables: dict[Part, ImageTable] = {"train": database.split("train"), "val": database.split("val")}
    if len(database.splits["test"]):
        tables["test"] = database.split("test")
    else:
        logger.warning("%s has no test split: the best epoch is reported on the validation set only", database.name)
    return tables


def _shortened(config: TrainConfig, tables: Mapping[Part, ImageTable]) -> Mapping[Part, ImageTable]:
    if not config.run.debug:
        return tables
    images = {"train": DEBUG_BATCHES * config.optimiser.batch_size, "val": DEBUG_IMAGES, "test": DEBUG_IMAGES}
    return {part: table.head(images[part]) for part, table in tables.items()}
