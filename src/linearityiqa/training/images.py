"""The images of a run, and the scale of their labels: which are trained on, and which the network is tested on."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from linearityiqa.config import OptimiserConfig, TrainConfig
from linearityiqa.data.databases.opening import open_databases
from linearityiqa.data.databases.table import Database, ImageTable
from linearityiqa.data.loading.augmentation import Augmentation
from linearityiqa.data.loading.dataset import ImageDataset, MixedDataset, open_images, require_equal_sizes
from linearityiqa.data.loading.pixelcache import Decoding
from linearityiqa.errors import DataError

logger = logging.getLogger(__name__)

Part = Literal["train", "val", "test"]
Labels = TypeVar("Labels", torch.Tensor, NDArray[np.float64])
DEBUG_BATCHES = 5
DEBUG_IMAGES = 5


@dataclass(frozen=True)
class LabelScaling:
    """Standardisation of the MOS for the loss: (mos - mean) / deviation."""

    mean: float = 0.0
    deviation: float = 1.0

    @classmethod
    def of(cls, config: OptimiserConfig, training_mos: NDArray[np.float64]) -> "LabelScaling":
        """Return the scaling that `label_scale` asks for, from the training set alone."""
        if np.ptp(training_mos) == 0:
            raise DataError("all training images have the same MOS: there is nothing to learn. Check the labels.")
        return cls() if config.label_scale == "given" else cls(float(training_mos.mean()), float(training_mos.std()))

    def __call__(self, mos: Labels) -> Labels:
        """Return the labels as the loss sees them."""
        return (mos - self.mean) / self.deviation


@dataclass(frozen=True)
class RunImages:
    """The images of a run."""

    databases: tuple[Database, ...]  # whole; only the training sets of those after the first are used
    training: ImageDataset | MixedDataset  # of all databases, with augmentation
    datasets: Mapping[Part, ImageDataset]  # of the first database, as evaluated; no `test` where it has none
    labels: LabelScaling

    @property
    def database(self) -> Database:
        """The database that the run is validated and tested on."""
        return self.databases[0]

    @property
    def counts(self) -> tuple[int, ...]:
        """Training images of each database."""
        return self.training.lengths if isinstance(self.training, MixedDataset) else (len(self.training),)

    @property
    def facts(self) -> dict[str, Any]:
        """The labels and splits that the run's state belongs to."""
        first, *others = (
            {
                "names": database.table.names,
                "mos": database.table.mos.tolist(),
                "splits": {part: rows.tolist() for part, rows in database.splits.items()},
            }
            for database in self.databases
        )
        return {**first, **({"more": others} if others else {})}


def open_run_images(config: TrainConfig, *, workers: int, check: bool = True) -> RunImages:
    """Open the databases of a run, and the caches of their images, which `workers` processes decode.

    `check`: read the header of every image that the run will open.
    """
    options = config.optimiser
    databases = open_databases(config.data, options.seed)
    first = databases[0]
    tables: dict[Part, ImageTable] = {"train": first.split("train"), "val": first.split("val")}
    if len(first.splits["test"]):
        tables["test"] = first.split("test")
    else:
        logger.warning("%s has no test split: the best epoch is reported on the validation set only", first.name)
    training_tables = [tables["train"], *(database.split("train") for database in databases[1:])]
    labels = LabelScaling.of(options, tables["train"].mos)
    if len(databases) > 1:  # the MOS of each is scaled separately
        training_tables = [
            replace(table, mos=LabelScaling.of(options, table.mos)(table.mos)) for table in training_tables
        ]
        labels = LabelScaling()
    opened = [
        open_images(
            database.table,
            config.transform,
            decoding=Decoding.of(config.data),
            cache=config.device.cache,
            workers=workers,
            progress=config.run.pbar,
        )
        for database in databases
    ]
    augmentation = Augmentation(config.augmentation) if config.augmentation.augmentation else None
    parts = [
        images(table, augmentation=augmentation, seed=options.seed)
        for images, table in zip(opened, training_tables, strict=True)
    ]
    if config.run.debug:
        images_kept = {"train": DEBUG_BATCHES * options.batch_size, "val": DEBUG_IMAGES, "test": DEBUG_IMAGES}
        tables = {part: table.head(images_kept[part]) for part, table in tables.items()}
    datasets = {part: opened[0](table) for part, table in tables.items()}
    if check:
        for images in (*parts, *(images for part, images in datasets.items() if part != "train")):
            images.check()
        if options.batch_size > 1:  # batches of one image may differ in size, accumulated exactly or not
            for part in parts:
                require_equal_sizes(part)
    return RunImages(
        databases=tuple(databases),
        training=parts[0] if len(parts) == 1 else MixedDataset([database.name for database in databases], parts),
        datasets=datasets,
        labels=labels,
    )
