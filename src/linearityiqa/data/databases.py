"""Open a database by name, or from a CSV file: find its labels and its images, and split it."""

import logging
import os
from pathlib import Path

from linearityiqa.config import DataConfig
from linearityiqa.data.clive import CLIVE
from linearityiqa.data.csvfile import read_csv
from linearityiqa.data.imagefiles import find_images
from linearityiqa.data.infomat import read_info_mat
from linearityiqa.data.known import LABEL_FOLDER, KnownDatabase
from linearityiqa.data.koniq import KONIQ_10K
from linearityiqa.data.labels import Labels
from linearityiqa.data.splits import split_by_reference
from linearityiqa.data.table import Database, ImageTable
from linearityiqa.errors import DataError

KNOWN = {database.name: database for database in (KONIQ_10K, CLIVE)}
"""The databases that `--dataset` knows by name."""

TEXT_SUFFIXES = (".csv", ".tsv", ".txt")
"""Endings that make an unknown `--dataset` a file that is missing, and not a name that is unknown."""

_log = logging.getLogger(__name__)


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
    known = KNOWN.get(config.dataset)
    if known is not None:
        labels = _read_known(known, config)
        folders = known.image_folders(config.image_dir)
        return _assemble(known.name, labels, config, seed, folders, known.remedy(), known.common_size)
    path = Path(config.dataset)
    _refuse_labels_of_known(path)
    if path.suffix.lower() not in TEXT_SUFFIXES and not path.exists():
        raise DataError(
            f"unknown dataset {config.dataset!r}: it is neither a known database ({', '.join(KNOWN)}) nor a file. "
            "Give one of these names, or the path of a CSV file with the columns image_name and mos."
        )
    labels = read_csv(path)
    folders = [path.parent, path.parent / "images"] if config.image_dir is None else [config.image_dir]
    remedy = "Name the folder that the image names are relative to with --image_dir, or drop the rows."
    return _assemble(path.stem, labels, config, seed, folders, remedy)


def _refuse_labels_of_known(path: Path) -> None:
    """A known database's own label file has other columns: read as any CSV it would lose its split."""
    for known in KNOWN.values():
        if path.name in (known.info_file, known.release_file):
            raise DataError(
                f"{path} is a label file of {known.name}. Put it into {LABEL_FOLDER}{os.sep} or beside the images, and "
                f"give --dataset {known.name}."
            )


def _read_known(known: KnownDatabase, config: DataConfig) -> Labels:
    path = known.find_labels(config.image_dir)
    _log.info("%s: labels from %s", known.name, path)
    if path.name != known.info_file:
        return known.read_release(path)
    train_ratio, train_and_val_ratio = known.info_ratios or (config.train_ratio, config.train_and_val_ratio)
    if known.info_ratios is not None:
        _log.info(
            "%s: the split of %s has its authors' ratios %.6f and %.6f; train_ratio and train_and_val_ratio are unused",
            known.name,
            path.name,
            train_ratio,
            train_and_val_ratio,
        )
    return read_info_mat(
        path,
        known.scale,
        exp_id=config.exp_id,
        train_ratio=train_ratio,
        train_and_val_ratio=train_and_val_ratio,
        opinion_factor=known.opinion_factor,
    )


def _assemble(
    name: str,
    labels: Labels,
    config: DataConfig,
    seed: int,
    folders: list[Path],
    remedy: str,
    common_size: tuple[int, int] | None = None,
) -> Database:
    """Labels, their images and their split as one database."""
    root, names = find_images(labels, folders, remedy)
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
        common_size=common_size,
    )
    return Database(name=name, table=table, scale=labels.scale, splits=splits)
