"""The images of a run: which are trained on, and which the network is tested on."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

from linearityiqa.config import TrainConfig
from linearityiqa.data.databases.opening import open_databases
from linearityiqa.data.databases.table import Database, ImageTable
from linearityiqa.data.loading.augmentation import Augmentation
from linearityiqa.data.loading.dataset import ImageDataset, MixedDataset, open_images, require_equal_sizes
from linearityiqa.data.loading.pixelcache import Decoding
from linearityiqa.training.optimisation import LabelScaling

logger = logging.getLogger(__name__)

Part = Literal["train", "val", "test"]
DEBUG_BATCHES = 5
DEBUG_IMAGES = 5


@dataclass(frozen=True)
class RunImages:
    """The images of a run.

    Attributes:
        databases: the databases, whole; the first one is the run's own, the others only lend their training sets.
        training: the training images of all of them, with augmentation.
        datasets: the first database's images of each part as they are evaluated, without augmentation; no `test` where
            there is none.
        labels: what the loss sees of their MOS.
    """

    databases: tuple[Database, ...]
    training: ImageDataset | MixedDataset
    datasets: Mapping[Part, ImageDataset]
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
        first, *others = (_facts(database) for database in self.databases)
        return {**first, **({"more": others} if others else {})}


def open_run_images(config: TrainConfig, *, workers: int) -> RunImages:
    """Open the databases of a run, and the caches of their images.

    Args:
        config: the configuration of the run.
        workers: processes that decode images.

    Raises:
        DataError: a label or an image is missing or malformed, images of one batch differ in size, or a cache cannot
            be made.
    """
    databases = open_databases(config.data, config.optimiser.seed)
    tables = _tables(databases[0])
    training_tables = [tables["train"], *(database.split("train") for database in databases[1:])]
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
    labels = LabelScaling.of(config.optimiser, tables["train"].mos)
    if len(databases) > 1:
        training_tables, labels = [_scaled(config, table) for table in training_tables], LabelScaling()
    parts = [_training_set(config, images, table) for images, table in zip(opened, training_tables, strict=True)]
    names = [database.name for database in databases]
    return RunImages(
        databases=tuple(databases),
        training=parts[0] if len(parts) == 1 else MixedDataset(names, parts),
        datasets={part: opened[0](table) for part, table in _shortened(config, tables).items()},
        labels=labels,
    )


def _scaled(config: TrainConfig, table: ImageTable) -> ImageTable:
    """A training set with the MOS that the loss sees, each database's on a scale of its own."""
    return replace(table, mos=LabelScaling.of(config.optimiser, table.mos)(table.mos))


def _training_set(config: TrainConfig, images: partial[ImageDataset], table: ImageTable) -> ImageDataset:
    augmentation = Augmentation(config.augmentation) if config.augmentation.augmentation else None
    training = images(table, augmentation=augmentation, seed=config.optimiser.seed)
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


def _facts(database: Database) -> dict[str, Any]:
    return {
        "names": database.table.names,
        "mos": database.table.mos.tolist(),
        "splits": {part: rows.tolist() for part, rows in database.splits.items()},
    }
