"""The parts of a training run, put together from its configuration."""

import contextlib
import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from linearityiqa.config import (
    AugmentationConfig,
    ModelConfig,
    TrainConfig,
    TransformConfig,
    result_options,
    run_folder,
)
from linearityiqa.config.checks import require_options
from linearityiqa.config.run import versions_rule
from linearityiqa.data.databases.table import Database
from linearityiqa.data.loading.loader import BatchLoader
from linearityiqa.data.loading.samplers import Shares, TrainingBatches
from linearityiqa.errors import ConfigError
from linearityiqa.hub import BUNDLED, bundled_weights
from linearityiqa.images import ImageTransform
from linearityiqa.losses import QualityLoss
from linearityiqa.machine import default_workers
from linearityiqa.mapping import LinearMapping
from linearityiqa.models import LinearityIQA, TrainedModel, open_model
from linearityiqa.models.device import compile_backbone, place, prepare_device
from linearityiqa.quality import QualityScores
from linearityiqa.training.distributed import ALONE, World
from linearityiqa.training.images import DEBUG_BATCHES, LabelScaling, RunImages, open_run_images
from linearityiqa.training.optimisation import Schedule, WeightAverage, build_optimizer
from linearityiqa.training.precision import (
    arithmetic_of,
    choose_layout,
    choose_precision,
    keep_depthwise_in_float32,
    make_deterministic,
)
from linearityiqa.training.step import TrainingStep
from linearityiqa.training.stopping import StopRequest

STOPPED = "stopped before training; what is decoded into the cache is kept, and the same command resumes"


@dataclass
class Session:
    """Parts of a run other than its resumable state."""

    config: TrainConfig  # on this process's own device
    folder: Path
    images: RunImages
    loader: BatchLoader  # training batches; `batches.start_at` says from where
    batches: TrainingBatches  # the order of the training images
    batches_per_epoch: int  # that are trained on
    step: TrainingStep
    schedule: Schedule
    device: torch.device
    workers: int  # processes that decode images

    @property
    def evaluated(self) -> LinearityIQA:
        """The network that is evaluated and saved: the one in training, or the average of its weights."""
        return self.step.network if self.step.average is None else self.step.average.network

    @property
    def arithmetic(self) -> str:
        """Precision, device and version of torch, as text."""
        return arithmetic_of(self.step.precision, self.device)

    def summary(self) -> list[str]:
        """Return lines on the database, network, device, training and run folder."""
        options, first, precision = self.config.optimiser, self.images.database, self.step.precision
        images = ", ".join(f"{len(data)} {part}" for part, data in self.images.datasets.items())
        others = [f"; also trained on {len(one.split('train'))} of {one.name}" for one in self.images.databases[1:]]
        parameters = sum(parameter.numel() for parameter in self.step.network.parameters())
        initial = options.weights if options.init is None else f"{options.init}, heads included"
        weights = "random weights" if initial == "none" else f"initial weights {initial}"
        own = precision.evaluation is contextlib.nullcontext and precision.name != "float32"
        device = f"{self.device} ({torch.get_num_threads()} threads)" if self.device.type == "cpu" else str(self.device)
        processes = f", {self.step.world.size} processes" if self.step.world.size > 1 else ""
        lines = {
            "database": f"{first.name}: {images} images{''.join(others)}",
            "network": f"{self.config.model.architecture}, {parameters:,} parameters, {weights}",
            "device": f"{device}{processes}, {precision.name}{' (evaluation in float32)' if own else ''}",
            "training": f"{self.config.loss.loss_type} loss, {self.batches_per_epoch} batches of {options.batch_size} "
            f"images an epoch, {options.epochs} epochs",
            "run folder": str(self.folder),
        }
        return [f"{name:<11} {text}" for name, text in lines.items()]

    @property
    def fingerprint(self) -> str:
        """Digest of the options and labels that the run's state belongs to."""
        facts = {"options": result_options(self.config), "debug": self.config.run.debug, **self.images.facts}
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def open_session(
    config: TrainConfig,
    *,
    resuming: bool,
    finished: bool = False,
    world: World = ALONE,
    stop: StopRequest | None = None,
) -> Session:
    """Make the parts of a run; labels and images are checked before any weights are loaded.

    If `resuming`, weights come from a saved state, and initial ones are not loaded. If `finished`, hardly an image will
    be opened, and they are not checked. A `stop` ends the decoding of images into a cache.
    """
    device = prepare_device(config.device)
    _require_shareable(config, world, device)
    workers = default_workers(config.device.num_workers, world.local_size)
    with stop.at_once(STOPPED) if stop else contextlib.nullcontext():
        images = open_run_images(config, workers=workers, check=not finished)
    options = config.optimiser
    batches = TrainingBatches(
        images.counts,
        options.batch_size,
        options.seed,
        images_a_loss=options.images_a_loss,
        versions=config.augmentation.versions,
    )
    batches_per_epoch = min(len(batches), DEBUG_BATCHES) if config.run.debug else len(batches)
    shares = Shares(batches, world.rank, world.size)
    loader = BatchLoader(images.training, shares, workers, pin_memory=device.type == "cuda")
    step = _training_step(config, images, device, world, resuming=resuming)
    return Session(
        config=config,
        folder=run_folder(config),
        images=images,
        loader=loader,
        batches=batches,
        batches_per_epoch=batches_per_epoch,
        step=step,
        schedule=Schedule(step.optimizer, options, batches_per_epoch),
        device=device,
        workers=workers,
    )


def resolve_init(config: TrainConfig) -> TrainConfig:
    """Return the configuration with the network and the transform of the model that the run starts from (`--init`).

    A transform that options describe is kept, so it may differ from the model's. Where the model's is taken and leaves
    images their aspect ratios, the model's crops are taken with it: they bring images of all sizes into one batch.
    """
    if config.optimiser.init is None:
        return config
    own = _open_initial_model(config).record.config
    if config.model not in (ModelConfig(), own.model):
        raise ConfigError(
            f"--init {config.optimiser.init} holds a model of {own.model.architecture}, which the options on the "
            "network do not describe. Leave them out: the file has its own."
        )
    resolved = replace(config, model=own.model)
    if config.transform == TransformConfig():
        no_crop_named = config.augmentation in (AugmentationConfig(), AugmentationConfig(augmentation=True))
        mixed_sizes = ImageTransform.of(own.transform).fixed_size is None and config.optimiser.batch_size > 1
        augmentation = own.augmentation if no_crop_named and mixed_sizes else config.augmentation
        resolved = replace(resolved, transform=own.transform, augmentation=augmentation)
    require_options(versions_rule(resolved.loss, resolved.augmentation))
    return resolved


def start_from_model(network: LinearityIQA, config: TrainConfig, database: Database) -> None:
    """Load, in place, the weights of the model that the run starts from (`--init`).

    A loss that compares scores as they are (mae, mse) also gets scores on the scale of its labels from the start: the
    ends of the model's scale become those of the database's. The other losses do not see the scale.
    """
    trained = _open_initial_model(config)
    network.load_state_dict(trained.network.state_dict())
    network.normalisation = trained.network.normalisation
    if config.loss.sees_scale:
        labels = LabelScaling.of(config.optimiser, database.split("train").mos)
        scale = database.scale
        own = trained.record.scale or scale
        between = LinearMapping.fit([own.low, own.high], [scale.low, scale.high])
        seen = LinearMapping(1 / labels.deviation, -labels.mean / labels.deviation)
        heads = QualityScores(network.stage3.score, network.stage4.score, network.fused)
        for head, line in zip(heads, trained.record.mapping, strict=True):
            head.map_by(line.then(between).then(seen))


def _open_initial_model(config: TrainConfig) -> TrainedModel:
    name = config.optimiser.init
    return open_model(bundled_weights() if name == BUNDLED else Path(str(name)))


def _training_step(
    config: TrainConfig, images: RunImages, device: torch.device, world: World, *, resuming: bool
) -> TrainingStep:
    options = config.optimiser
    make_deterministic(world.own_seed(options.seed), randomness=options.randomness)
    precision = choose_precision(options, device)
    initialise = world.is_main and not resuming  # the other processes, and a resumed run, are handed the weights
    network = LinearityIQA(config.model, weights=options.weights if initialise and options.init is None else "none")
    if initialise and options.init is not None:
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
        options=options,
        versions=config.augmentation.versions,
        layout=layout,
        world=world,
    )
    if options.ema_decay > 0:
        step.average = WeightAverage(network, options.ema_decay)  # now that all processes have the first one's weights
        if config.device.compile:  # which a copy is not
            compile_backbone(step.average.network, device)
    return step


def _require_shareable(config: TrainConfig, world: World, device: torch.device) -> None:
    """Refuse, before anything is read, a run that several processes cannot train as one would."""
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
