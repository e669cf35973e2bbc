"""Open a database by name, or from a CSV file: find its labels and its images, and split it."""

import os
from dataclasses import replace
from pathlib import Path

from linearityiqa.config import DataConfig
from linearityiqa.data.databases.imagefiles import find_images
from linearityiqa.data.databases.sources import KNOWN, open_labels
from linearityiqa.data.databases.splits import split_by_reference
from linearityiqa.data.databases.table import Database, ImageTable
from linearityiqa.errors import DataError

__all__ = ["KNOWN", "open_database", "open_databases"]


def open_database(config: DataConfig, seed: int) -> Database:
    """Open the database that the options name; every image must be there.

    A split of its own (official, or a split column) is kept unless `config.resplit`; otherwise references are split at
    random.

    Args:
        config: dataset, image folder and split.
        seed: seed of random splits, together with `config.exp_id`.

    Raises:
        DataError: an unknown name, labels or images that are missing (and where to get them), or bad labels.
        MissingExtraError: the format needs a package that is not installed.
    """
    source = open_labels(config)
    labels = source.labels
    root, names = find_images(labels, source.folders, source.remedy)
    splits = None if config.resplit else labels.splits
    if splits is None:
        splits = split_by_reference(
            labels.references or names, config.train_ratio, config.train_and_val_ratio, seed, config.exp_id
        )
    table = ImageTable(
        names=names,
        mos=labels.mos,
        root=root,
        mos_std=labels.mos_std,
        references=labels.references,
        common_size=None if source.known is None else source.known.common_size,
    )
    return Database(name=source.name, table=table, scale=labels.scale, splits=splits, opinions=source.opinions)


def open_databases(config: DataConfig, seed: int) -> list[Database]:
    """The database that the options name, then those of `config.more_datasets`.

    Raises:
        DataError: as `open_database`; or another database trains on images that the first one tests on.
        MissingExtraError: as `open_database`.
    """
    first, *others = [
        # a scale that is given is that of the first
        open_database(alone if alone.dataset == config.dataset else replace(alone, scale=None), seed)
        for alone in config.one_by_one()
    ]
    held_out = _files(first, "val", "test") if others else set()
    for other in others:
        shared = _files(other, "train") & held_out
        if shared:
            raise DataError(
                f"{len(shared)} training images of {other.name} are validation or test images of {first.name} (such as "
                f"{min(shared)}): the results would mean nothing. Drop {other.name} from --more_datasets, or those "
                "rows from it."
            )
    return [first, *others]


def _files(database: Database, *splits: str) -> set[str]:
    root = Path(os.path.realpath(database.table.root))
    return {str(root / database.table.names[row]) for split in splits for row in database.splits[split]}
