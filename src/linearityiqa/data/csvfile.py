"""Any database as a CSV file: image_name, mos (or dmos), and optionally mos_std, split, reference."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from linearityiqa.data.labels import Labels
from linearityiqa.data.splits import SPLITS
from linearityiqa.data.texttable import TextTable, read_text_table
from linearityiqa.errors import DataError
from linearityiqa.quality import QualityScale

COLUMNS = ("image_name", "mos", "dmos", "mos_std", "split", "reference")
"""Columns that have a meaning; others are ignored."""

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


def read_csv(path: Path) -> Labels:
    """Read the labels of a database from a CSV file.

    The scale is the range of the scores in the file. Difference scores (`dmos`, higher is worse) are mirrored inside
    their range, and the scale says so.

    Raises:
        DataError: what is wrong, in which file, column and line.
    """
    table = read_text_table(path, COLUMNS)
    names = tuple(table.texts("image_name"))
    mos, scale = _opinions(table)
    return Labels(
        file=path,
        names=names,
        mos=mos,
        scale=scale,
        mos_std=table.numbers("mos_std") if "mos_std" in table else None,
        references=_references(table),
        splits=split_column(table, "split") if "split" in table else None,
        lines=table.lines,
    )


def split_column(table: TextTable, column: str) -> dict[str, NDArray[np.int64]]:
    """The rows of each split, from a column of the words in `SPLIT_WORDS` (upper and lower case are alike).

    Raises:
        DataError: no such column, or another word in it; the message names the line.
    """
    words = [text.lower() for text in table.texts(column)]
    for row, word in enumerate(words):
        if word not in SPLIT_WORDS:
            raise DataError(
                f"{table.where(row)}: {column} is {word[:40]!r}; it must be one of {', '.join(SPLIT_WORDS)}. "
                "Correct or drop the row."
            )
    splits = np.array([SPLIT_WORDS[word] for word in words])
    return {name: np.flatnonzero(splits == name) for name in SPLITS}


def _opinions(table: TextTable) -> tuple[NDArray[np.float64], QualityScale]:
    """MOS, higher is better, and their scale."""
    inverted = "dmos" in table
    if inverted and "mos" in table:
        raise DataError(f"{table.file} has both a mos and a dmos column. Remove or rename one of them.")
    column = "dmos" if inverted else "mos"
    opinions = table.numbers(column)
    low, high = float(opinions.min()), float(opinions.max())
    if low == high:
        raise DataError(
            f"every {column} in {table.file} is {low:g}: there is no quality to tell apart. Check the column."
        )
    note = f"range observed in {table.file.name}"
    if inverted:
        opinions = low + high - opinions
        note = f"difference scores (DMOS) inverted as {low + high:g} - DMOS, {note}"
    return opinions, QualityScale(low=low, high=high, note=note)


def _references(table: TextTable) -> tuple[str, ...] | None:
    if "reference" not in table:
        return None
    references = table.texts("reference")
    if "" in references:
        raise DataError(f"{table.where(references.index(''))}: reference is empty. Name it, or remove the column.")
    return tuple(references)
