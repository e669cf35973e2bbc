"""Labels as the CSV file that every command reads."""

import csv
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from linearityiqa.data.databases.csvfile import COLUMNS
from linearityiqa.data.databases.imagefiles import find_images
from linearityiqa.data.databases.labels import Labels
from linearityiqa.data.databases.sources import LabelSource
from linearityiqa.errors import DataError
from linearityiqa.files import atomic_path

_log = logging.getLogger(__name__)


def write_csv(
    path: Path,
    labels: Labels,
    names: tuple[str, ...],
    splits: Mapping[str, NDArray[np.int64]] | None,
    *,
    force: bool = False,
) -> None:
    """Write image_name, mos, mos_std, split, reference and the other columns, as far as the labels have them.

    Numbers are written with all digits, so that they are read as they were.

    Args:
        path: the file; it appears whole or not at all.
        labels: the rows.
        names: their image names.
        splits: the rows of each split, or None for no such column.
        force: overwrite a file that is there.

    Raises:
        DataError: the file is there and `force` is not given.
        OSError: it cannot be written.
    """
    refuse_to_overwrite(path, force)
    columns: dict[str, list[str]] = {"image_name": list(names), "mos": [repr(float(value)) for value in labels.mos]}
    if labels.mos_std is not None:
        columns["mos_std"] = [repr(float(value)) for value in labels.mos_std]
    if splits is not None:
        columns["split"] = split_words(splits, len(names))
    if labels.references is not None:
        columns["reference"] = list(labels.references)
    columns |= {name: list(values) for name, values in labels.others.items() if name not in COLUMNS}
    with atomic_path(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))


def refuse_to_overwrite(path: Path, force: bool) -> None:
    """Raise a `DataError` where a file is there that nobody asked to replace."""
    if path.exists() and not force:
        raise DataError(f"{path} is there already. Name another --output, or give --force to replace it.")


def split_words(splits: Mapping[str, NDArray[np.int64]], count: int) -> list[str]:
    """The split of each row.

    Raises:
        DataError: a row that is in no split.
    """
    words = [""] * count
    for name, rows in splits.items():
        for row in rows:
            words[row] = name
    if "" in words:
        raise DataError(f"row {words.index('') + 1} is in no split. Give every row one.")
    return words


class ImageNames(NamedTuple):
    """Image names for a CSV file.

    Attributes:
        names: the names.
        image_dir: the folder that must be given with the file as --image_dir; None where it is found by itself.
        found: whether the images are there at all.
    """

    names: tuple[str, ...]
    image_dir: Path | None = None
    found: bool = True


def names_for(output: Path, source: LabelSource) -> ImageNames:
    """The image names for a CSV file, relative to its own folder where the images lie inside.

    Args:
        output: the CSV file to be.
        source: the labels, and where their images may lie.
    """
    try:
        root, names = find_images(source.labels, source.folders, source.remedy)
    except DataError as cause:
        _log.warning("the image names are written as they stand in %s, because %s", source.labels.file, cause)
        return ImageNames(source.labels.names, found=False)
    home, place = Path(os.path.abspath(output.parent)), Path(os.path.abspath(root))  # noqa: PTH100 - links stay links
    if place in (home, home / "images"):
        return ImageNames(names)
    if place.is_relative_to(home):
        inner = place.relative_to(home).as_posix()
        return ImageNames(tuple(f"{inner}/{name}" for name in names))
    return ImageNames(names, root)
