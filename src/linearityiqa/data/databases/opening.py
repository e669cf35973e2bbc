"""Open a database by name or from a label file: find its labels and images, and split it."""

import json
import logging
import os
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from linearityiqa.config import DataConfig
from linearityiqa.data.databases.csvfile import read_csv
from linearityiqa.data.databases.imagefiles import find_images
from linearityiqa.data.databases.infomat import read_info_mat
from linearityiqa.data.databases.labels import Labels, OnFault, refuse
from linearityiqa.data.databases.published import KNOWN
from linearityiqa.data.databases.published.release import LABEL_FOLDER, KnownDatabase
from linearityiqa.data.databases.splits import split_by_reference
from linearityiqa.data.databases.table import Database, ImageTable
from linearityiqa.errors import ConfigError, DataError, did_you_mean

TEXT_SUFFIXES = (".csv", ".tsv", ".txt")
"""Endings that make an unknown `--dataset` a missing file, and not an unknown name."""
MANIFEST = "database.json"
"""File in the folder of labels that `linearityiqa datasets make` computed: how they were made."""
_COMMON_NAMES = ("dmos.csv", "Train.csv")
"""Names of published label files that a user's own may well have, too."""
_MANIFEST_BYTES = 2**20
"""Bound on the manifest; a real one has a thousand."""

_log = logging.getLogger(__name__)


class LabelSource(NamedTuple):
    """Labels, and how to find their images.

    `folders` are the candidates for the image folder, the best one first; `remedy` says what to do if images are
    missing; `known` is None for a CSV file; `opinions` is False if `linearityiqa datasets make` computed the scores.
    """

    name: str
    labels: Labels
    folders: list[Path]
    remedy: str
    known: KnownDatabase | None = None
    opinions: bool = True


def open_labels(config: DataConfig, on_fault: OnFault = refuse, *, others: bool = False) -> LabelSource:
    """Read the labels of the database that the options name (`others`: with further columns of a CSV file)."""
    known = KNOWN.get(config.dataset)
    if known is not None:
        if config.scale is not None:
            raise ConfigError(f"{known.name} has its own scale: --scale is for CSV files")
        if config.image_column is not None or config.mos_column is not None:
            raise ConfigError(f"{known.name} has its own columns: --image_column and --mos_column are for CSV files")
        path = known.find_labels(config.image_dir)
        _log.info("%s: labels from %s", known.name, path)
        labels = _read_published(known, path, config, on_fault)
        return LabelSource(known.name, labels, known.image_folders(config.image_dir), known.remedy(), known)
    path = Path(config.dataset)
    published = _published_under(path.name)
    if published is not None and path.name not in _COMMON_NAMES:  # as any CSV it would lose its split
        raise DataError(
            f"{path} is a label file of {published.name}. Put it into {LABEL_FOLDER}{os.sep} or the folder of the "
            f"images, and give --dataset {published.name}."
        )
    if path.suffix.lower() not in TEXT_SUFFIXES and not path.exists():
        raise DataError(
            f"unknown dataset {config.dataset!r}{did_you_mean(config.dataset, KNOWN)}: it is neither a known database "
            f"({', '.join(KNOWN)}) nor a file. Give one of these names, or the path of a CSV file with the columns "
            "image_name and mos."
        )
    columns = {"image_name": config.image_column, "mos": config.mos_column}
    labels = read_csv(path, on_fault, others=others, scale=config.scale, columns=columns)
    folders = [path.parent, path.parent / "images"] if config.image_dir is None else [config.image_dir]
    remedy = "Name the folder that the image names are relative to with --image_dir, or drop the rows."
    return LabelSource(path.stem, labels, folders, remedy, opinions=not _is_computed(path))


def _published_under(name: str) -> KnownDatabase | None:
    """Return the published database that has a label file of this name."""
    return next((known for known in KNOWN.values() if name in (known.info_file, *known.release_files)), None)


def _is_computed(labels: Path) -> bool:
    """Return whether `linearityiqa datasets make` made a label file: its manifest is in the same folder."""
    try:
        with labels.with_name(MANIFEST).open("rb") as stream:
            return "labels_sha256" in json.loads(stream.read(_MANIFEST_BYTES))
    except (OSError, ValueError, TypeError, RecursionError):
        return False


def open_label_file(path: Path, config: DataConfig) -> LabelSource | None:
    """Read the label file of a published database, recognised by its name, or any info.mat; None for other files.

    Its images are looked for in its folder, in the parent of that, and in `config.image_dir`.
    """
    known = _published_under(path.name)
    if not path.is_file() or (known is None and path.suffix.lower() != ".mat"):
        return None
    inner = ("", "images") if known is None else known.inner_folders
    homes = (path.parent, path.parent / "..") if config.image_dir is None else (config.image_dir,)
    folders = [home / folder for home in homes for folder in inner]
    name = path.stem if known is None else known.name
    labels = _read_published(known, path, config)
    return LabelSource(name, labels, folders, "Name the folder of the images with --image_dir.", known)


def _read_published(known: KnownDatabase | None, path: Path, config: DataConfig, on_fault: OnFault = refuse) -> Labels:
    """Read a label file of a published database, in the layout of its release, or any info.mat."""
    if known is not None and path.name != known.info_file:
        return known.read_release(path, on_fault)
    ratios = config.train_ratio, config.train_and_val_ratio
    if known is None:
        return read_info_mat(path, None, exp_id=config.exp_id, ratios=ratios, on_fault=on_fault)
    if known.info_ratios is not None:
        ratios = known.info_ratios
        unused = "its authors' ratios %.6f and %.6f; train_ratio and train_and_val_ratio are unused"
        _log.info(f"%s: the split of %s has {unused}", known.name, path.name, *ratios)
    return read_info_mat(
        path,
        known.scale,
        exp_id=config.exp_id,
        ratios=ratios,
        opinion_factor=known.opinion_factor,
        on_fault=on_fault,
    )


def open_database(config: DataConfig, seed: int) -> Database:
    """Open the database that the options name; every image must exist.

    Its own split (official, or a split column) is kept unless `config.resplit`; otherwise references are split at
    random, seeded by `seed` and `config.exp_id`.
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
    """Return the database that the options name, then those of `config.more_datasets`.

    Raises:
        DataError: as `open_database`; or another database trains on images that the first one tests on.
    """
    first, *others = [
        # --scale and the column names belong to the first
        open_database(
            alone
            if alone.dataset == config.dataset
            else replace(alone, scale=None, image_column=None, mos_column=None),
            seed,
        )
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


class ImageNames(NamedTuple):
    """Image names for a CSV file, and the --image_dir to give with it (None if not needed); whether images exist."""

    names: tuple[str, ...]
    image_dir: Path | None = None
    found: bool = True


def names_for(output: Path, source: LabelSource) -> ImageNames:
    """Return the image names to write into a CSV file, relative to its folder if the images are inside."""
    try:
        root, names = find_images(source.labels, source.folders, source.remedy)
    except DataError as cause:
        _log.warning("the image names are written as in %s, because %s", source.labels.file, cause)
        return ImageNames(source.labels.names, found=False)
    home, place = Path(os.path.abspath(output.parent)), Path(os.path.abspath(root))  # noqa: PTH100 - links stay links
    if place in (home, home / "images"):
        return ImageNames(names)
    if place.is_relative_to(home):
        inner = place.relative_to(home).as_posix()
        return ImageNames(tuple(f"{inner}/{name}" for name in names))
    return ImageNames(names, root)
