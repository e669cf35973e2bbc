"""Any database as a CSV file: image_name, mos (or dmos), and optionally mos_std, split, reference."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from linearityiqa.data.databases.labels import Fault, Labels, OnFault, refuse
from linearityiqa.data.databases.splits import SPLITS
from linearityiqa.data.databases.texttable import TextTable, read_text_table
from linearityiqa.errors import DataError
from linearityiqa.quality import QualityScale

COLUMNS = ("image_name", "mos", "dmos", "mos_std", "split", "reference")
"""Columns that have a meaning; others are ignored, or kept as text."""

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
) -> Labels:
    """Read the labels of a database from a CSV file.

    Where it is not given, the scale is the usual one that the scores fill (`QualityScale.filled_by`), or their range.
    Difference scores (`dmos`, higher is worse) are mirrored inside the scale, and it says so.

    Args:
        path: the file.
        on_fault: what is done about faulty rows and values.
        others: keep the columns that have no meaning here, too, as `Labels.others`.
        scale: lowest and highest score that could be given.

    Raises:
        DataError: what is wrong, in which file, column and line.
    """
    table = read_text_table(path, None if others else COLUMNS, on_fault)
    names = tuple(table.texts("image_name"))
    mos, own_scale = _opinions(table, on_fault, scale)
    return Labels(
        file=path,
        names=names,
        mos=mos,
        scale=own_scale,
        mos_std=table.known_numbers("mos_std"),
        references=_references(table, on_fault),
        splits=split_column(table, "split", on_fault) if "split" in table else None,
        lines=table.lines,
        others={name: tuple(values) for name, values in table.columns.items() if name not in COLUMNS},
        on_fault=on_fault,
        nan_reported=True,
    )


def split_column(table: TextTable, column: str, on_fault: OnFault = refuse) -> dict[str, NDArray[np.int64]]:
    """The rows of each split, from a column of the words in `SPLIT_WORDS` (upper and lower case are alike).

    Where faults are collected, a row with another word is in no split.

    Raises:
        DataError: no such column, or another word in it; the message names the line.
    """
    words = [text.lower() for text in table.texts(column)]
    for row, word in enumerate(words):
        if word not in SPLIT_WORDS:
            message = (
                f"{table.where(row)}: {column} is {word[:40]!r}; it must be one of {', '.join(SPLIT_WORDS)}. "
                "Correct or drop the row."
            )
            on_fault(Fault("split", message))
    splits = np.array([SPLIT_WORDS.get(word, "") for word in words])
    return {name: np.flatnonzero(splits == name) for name in SPLITS}


def _opinions(
    table: TextTable, on_fault: OnFault, ends: tuple[float, float] | None
) -> tuple[NDArray[np.float64], QualityScale]:
    """MOS, higher is better, and their scale."""
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
        on_fault(Fault("scores", message))
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


def _references(table: TextTable, on_fault: OnFault) -> tuple[str, ...] | None:
    if "reference" not in table:
        return None
    references = table.texts("reference")
    for row, reference in enumerate(references):
        if not reference:
            on_fault(Fault("reference", f"{table.where(row)}: reference is empty. Name it, or remove the column."))
    return tuple(references)
