"""Labels as a CSV file, read and written: image_name, mos (or dmos), and optionally mos_std, split, reference."""

import csv
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from linearityiqa.data.databases.labels import Fault, Labels, OnFault, composed, refuse
from linearityiqa.data.databases.splits import SPLITS, split_names
from linearityiqa.data.databases.texttable import TextTable, read_text_table
from linearityiqa.errors import DataError
from linearityiqa.files import atomic_path
from linearityiqa.quality import QualityScale

COLUMNS = ("image_name", "mos", "dmos", "mos_std", "split", "reference")
"""Columns that have a meaning; others are ignored, or kept as text."""
# not `path` with `score`: the columns that `linearityiqa score` writes, which are no opinions
USUAL_NAMES = {
    "image_name": ("image", "images", "imagename", "image_file", "img", "filename", "file_name", "file", "name"),
    "mos": ("score", "mean", "mean_score", "mean_opinion_score", "opinion", "rating", "quality"),
}
"""Other names that are understood for a column; blanks, dashes and case do not count."""
_SPELLINGS = {
    name.replace("_", blank): own
    for own, usual in USUAL_NAMES.items()
    for name in (own, *usual)
    for blank in ("_", " ", "-")
}
RATERS = ("rater", "rater_id", "user", "user_id", "observer", "subject", "participant", "worker", "worker_id")
"""Names of a column that names the rater of each row."""
RATINGS = "ratings"
"""Column of the number of ratings behind each MOS."""

_log = logging.getLogger(__name__)

SPLIT_WORDS = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}
"""Words of a split column, and the split they mean."""


def read_csv(
    path: Path,
    on_fault: OnFault = refuse,
    *,
    others: bool = False,
    scale: tuple[float, float] | None = None,
    columns: Mapping[str, str | None] = MappingProxyType({}),
) -> Labels:
    """Read the labels of a database from a CSV file, of one row for each image or for each rating of an image.

    Rows are ratings if a column names the rater, or if there are at least twice as many rows as images; they are
    averaged into MOS and, if every image has at least 2, their deviations.

    The default scale is the usual one that the scores fill (`QualityScale.filled_by`), or their range.
    Difference scores (`dmos`, higher is worse) are mirrored inside the scale, and its note says so.

    `others` keeps all other columns, as `Labels.others`; `scale` is the lowest and highest score that could be given;
    `columns` has the file's names of `image_name` and `mos` where they are not usual.
    """
    asked = [name for name in columns.values() if name is not None]
    wanted = (*COLUMNS, *RATERS, *_SPELLINGS, *asked)
    table = _renamed(read_text_table(path, None if others else wanted, on_fault), columns)
    mos, own_scale = _opinions(table, scale)
    mos_std = table.known_numbers("mos_std")
    if (rows := _rows_of_images(table)) is not None:
        table, mos, mos_std = _averaged(table, mos, rows, counted=others)
    return table.labels(
        table.texts("image_name"),
        mos,
        own_scale,
        mos_std=mos_std,
        references=_references(table),
        splits=split_column(table, "split") if "split" in table else None,
        others={name: values for name, values in table.columns.items() if name not in COLUMNS} if others else {},
    )


def _renamed(table: TextTable, columns: Mapping[str, str | None]) -> TextTable:
    """Return the table with columns that are asked for, or have usual names, renamed to `image_name` and `mos`."""
    names = dict(zip(table.columns, table.columns, strict=True))
    for own in USUAL_NAMES:
        asked = columns.get(own)
        option = f"--{'image' if own == 'image_name' else own}_column"
        if asked is not None:
            table.texts(asked)  # raises where there is none
            found = [asked.lower()]
        elif own in table or (own == "mos" and "dmos" in table):
            continue
        else:
            found = [name for name in table.columns if _SPELLINGS.get(name) == own]
            if len(found) != 1:
                raise DataError(
                    f"{table.file} has no column {own}; its columns are {', '.join(table.header)}. Rename the one "
                    f"meant (the first line must name the columns), or name it with {option}; for metrics, write the "
                    f"labels anew with datasets convert {option}."
                )
            what = f"the column {found[0]} is taken for {own} ({option} names another, in commands that have it)"
            _log.info("%s: %s", table.file, what)
        names.pop(own, None)
        names[found[0]] = own
    return replace(table, columns={names[name]: values for name, values in table.columns.items() if name in names})


def _rows_of_images(table: TextTable) -> dict[str, list[int]] | None:
    """Return the rows of each image if they are single ratings; None if each row is an image."""
    rows: dict[str, list[int]] = {}
    for row, name in enumerate(table.texts("image_name")):
        rows.setdefault(composed(name), []).append(row)
    given = any(name in table for name in RATERS)
    if len(rows) == len(table) or "mos_std" in table or not (given or len(table) >= 2 * len(rows)):
        return None
    shared = (table.columns[name] for name in ("split", "reference") if name in table)
    return rows if all(len({values[row] for row in own}) == 1 for values in shared for own in rows.values()) else None


def _averaged(
    table: TextTable, ratings: NDArray[np.float64], rows: Mapping[str, Sequence[int]], *, counted: bool
) -> tuple[TextTable, NDArray[np.float64], NDArray[np.float64] | None]:
    """Return the table with one row for each image, the mean of its ratings, and their deviation where known."""
    own = [ratings[list(of_image)] for of_image in rows.values()]
    counts, first = [len(values) for values in own], [of_image[0] for of_image in rows.values()]
    _log.info("%s: %d ratings of %d images, averaged into mos and mos_std", table.file, len(ratings), len(own))
    columns = {name: [values[row] for row in first] for name, values in table.columns.items() if name not in RATERS}
    if counted:
        columns[RATINGS] = [str(count) for count in counts]
    deviations = np.array([values.std(ddof=1) for values in own]) if min(counts) > 1 else None
    return replace(table, columns=columns, lines=table.lines[first]), np.array([v.mean() for v in own]), deviations


def split_column(table: TextTable, column: str) -> dict[str, NDArray[np.int64]]:
    """Return the rows of each split from a column of `SPLIT_WORDS` in any case; a row with another word has none."""
    words = [text.lower() for text in table.texts(column)]
    for row, word in enumerate(words):
        if word not in SPLIT_WORDS:
            message = (
                f"{table.where(row)}: {column} is {word[:40]!r}; it must be one of {', '.join(SPLIT_WORDS)}. "
                "Correct or drop the row."
            )
            table.on_fault(Fault("split", message))
    splits = np.array([SPLIT_WORDS.get(word, "") for word in words])
    return {name: np.flatnonzero(splits == name) for name in SPLITS}


def _opinions(table: TextTable, ends: tuple[float, float] | None) -> tuple[NDArray[np.float64], QualityScale]:
    """Return MOS (higher is better) and their scale."""
    inverted = "dmos" in table
    if inverted and "mos" in table:
        raise DataError(f"{table.file} has both a mos and a dmos column. Remove or rename one of them.")
    column = "dmos" if inverted else "mos"
    opinions = table.numbers(column)
    if np.isnan(opinions).all():
        raise DataError(f"no {column} in {table.file} is a finite number. Check the column.")
    low, high = float(np.nanmin(opinions)), float(np.nanmax(opinions))
    if low == high:
        message = f"every {column} in {table.file} is {low:g}: there is no quality to tell apart. Check the column."
        table.on_fault(Fault("scores", message))
        high += 1
    if ends is None:
        scale = QualityScale.filled_by(low, high, table.file.name)
    else:
        scale = QualityScale(low=ends[0], high=ends[1])
        if not (scale.contains(low) and scale.contains(high)):
            raise DataError(
                f"the {column} in {table.file} go from {low:g} to {high:g}, beyond the scale {ends[0]:g}..{ends[1]:g} "
                "of --scale. Correct the one or the other."
            )
    if inverted:
        sum_of_ends = scale.low + scale.high
        opinions = sum_of_ends - opinions
        inversion = f"difference scores (DMOS) inverted as {sum_of_ends:g} - DMOS"
        scale = replace(scale, note=", ".join(filter(None, (inversion, scale.note))))
    return opinions, scale


def _references(table: TextTable) -> list[str] | None:
    if "reference" not in table:
        return None
    references = table.texts("reference")
    for row, reference in enumerate(references):
        if not reference:
            message = f"{table.where(row)}: reference is empty. Name it, or remove the column."
            table.on_fault(Fault("reference", message))
    return references


def write_csv(
    path: Path,
    labels: Labels,
    names: tuple[str, ...],
    splits: Mapping[str, NDArray[np.int64]] | None,
    *,
    force: bool = False,
) -> None:
    """Write image_name, mos, mos_std, split, reference and the other columns, as far as the labels have them.

    Numbers are written with all digits, and the file atomically.
    """
    refuse_to_overwrite(path, force)
    columns: dict[str, list[str]] = {"image_name": list(names), "mos": [repr(float(value)) for value in labels.mos]}
    if labels.mos_std is not None:
        columns["mos_std"] = [repr(float(value)) for value in labels.mos_std]
    if splits is not None:
        columns["split"] = split_names(splits, len(names))
        if "" in columns["split"]:
            raise DataError(f"row {columns['split'].index('') + 1} is in no split. Give every row one.")
    if labels.references is not None:
        columns["reference"] = list(labels.references)
    columns |= {name: list(values) for name, values in labels.others.items() if name not in COLUMNS}
    with atomic_path(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))


def refuse_to_overwrite(path: Path, force: bool) -> None:
    """Raise `DataError` if the file exists and `force` is not set."""
    if path.exists() and not force:
        raise DataError(f"{path} already exists. Name another --output, or give --force to replace it.")
