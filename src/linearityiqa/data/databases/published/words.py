"""Label files of words in lines, separated by blanks, without a header; and the codes in the names of images."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from linearityiqa.data.databases.labels import Fault, OnFault, check_count, refuse
from linearityiqa.data.databases.texttable import TextTable
from linearityiqa.errors import DataError

MAX_BYTES = 1 << 24
"""Largest such file that is read; those of the releases have some 100 kB."""


def read_words(path: Path, columns: Sequence[str], on_fault: OnFault = refuse) -> TextTable:
    """Read a file with one word for each column in every line; blank lines are skipped.

    Raises:
        DataError: no file, too large, not text, or a line with more or fewer words.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise DataError(f"{path} has more than {MAX_BYTES} bytes: it is not the label file of a release.")
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as cause:
        raise DataError(f"{path} cannot be read as text: {cause}. Copy it from the release again.") from cause
    words: dict[str, list[str]] = {column: [] for column in columns}
    lines = []
    for number, line in enumerate(text.splitlines(), start=1):
        found = line.split()
        if found and len(found) != len(columns):
            expected = " ".join(columns)
            on_fault(Fault("row", f"{path}, line {number}: {len(found)} words instead of {expected}. Copy it again."))
        elif found:
            lines.append(number)
            for column, word in zip(columns, found, strict=True):
                words[column].append(word)
    check_count(path, len(lines))
    return TextTable(path, words, np.array(lines, dtype=np.int64), False, tuple(columns), on_fault)


def codes(table: TextTable, column: str, pattern: str) -> list[tuple[str, ...]]:
    """The parts of each image's name that the groups of a pattern match; upper and lower case are alike.

    Where faults are collected, the parts of a name of another form are empty.

    Raises:
        DataError: a name of another form; the message names its line.
    """
    compiled = re.compile(pattern, re.IGNORECASE)
    parts = []
    for row, name in enumerate(table.texts(column)):
        match = compiled.fullmatch(name)
        if match is None:
            message = f"{table.where(row)}: {name[:80]!r} is no image name of this database. Copy the file again."
            table.on_fault(Fault("name", message, (name,)))
        parts.append(match.groups() if match is not None else ("",) * compiled.groups)
    return parts


def named(numbers: Iterable[str], meanings: Sequence[str]) -> tuple[str, ...]:
    """What each number, counted from 1, stands for; nothing where there is none.

    >>> named(["2", ""], ["blur", "noise"])
    ('noise', '')
    """
    return tuple(meanings[int(number) - 1] if number else "" for number in numbers)
