"""Tables of releases that are no CSV files: words in lines, Excel workbooks, and variables of MATLAB files."""

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from linearityiqa.data.databases.labels import Fault, OnFault, check_count, refuse
from linearityiqa.data.databases.texttable import TextTable
from linearityiqa.errors import DataError
from linearityiqa.extras import require

MAX_BYTES = 1 << 24
"""Largest text file or workbook that is read; those of the releases have less than 2 MB."""
MAX_UNPACKED = 1 << 27
"""Most bytes that the parts of a workbook may unpack to."""
MAX_ROWS = 100_000
MAX_COLUMNS = 64
_HEADER_WITHIN = 20
MAX_MAT_BYTES = 1 << 20
"""Largest .mat file that is read (those of the releases have some 10 kB; compression grows one at most 1000-fold)."""


def read_words(path: Path, columns: Sequence[str], on_fault: OnFault = refuse) -> TextTable:
    """Read a file with one word for each column in every line; blank lines are skipped."""
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


def read_workbook(path: Path, wanted: Sequence[str], sheet: str | None = None, on_fault: OnFault = refuse) -> TextTable:
    """Read the columns of one sheet; the header is the first row, within the first 20, that has all of `wanted`.

    Formulas are not computed (the values that were saved with them count), links and macros are not looked at.

    Args:
        path: the file.
        wanted: names of the columns that must be there; case does not matter.
        sheet: name of the sheet; by default the first one.
        on_fault: what is done about values that are no numbers where they should be.
    """
    openpyxl = require("openpyxl", "train")
    _check_size(path)
    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True, keep_links=False)
        try:
            if sheet is not None and sheet not in book.sheetnames:
                raise DataError(f"{path} has no sheet {sheet}; its sheets are {', '.join(book.sheetnames)}.")
            cells = book[sheet] if sheet is not None else book.worksheets[0]
            cells.reset_dimensions()  # what a file says of its own size is not believed
            rows = list(cells.iter_rows(max_row=MAX_ROWS, max_col=MAX_COLUMNS, values_only=True))
        finally:
            book.close()
    except DataError:
        raise
    except Exception as cause:  # a damaged file fails in many ways inside zipfile, the XML parser and openpyxl
        raise DataError(f"{path} cannot be read as an Excel workbook: {cause}. Copy it again.") from cause
    return _table(path, rows, [name.lower() for name in wanted], on_fault)


def _check_size(path: Path) -> None:
    if not path.is_file():
        raise DataError(f"there is no workbook {path}. Check the path.")
    if path.stat().st_size > MAX_BYTES:
        raise DataError(f"{path} has more than {MAX_BYTES} bytes: it is not the workbook of a release.")
    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(part.file_size for part in archive.infolist())
    except (OSError, zipfile.BadZipFile, ValueError) as cause:
        raise DataError(f"{path} cannot be read as an Excel workbook: {cause}. Copy it again.") from cause
    if unpacked > MAX_UNPACKED:
        raise DataError(f"{path} unpacks to more than {MAX_UNPACKED} bytes: it is not the workbook of a release.")


def _table(path: Path, rows: list[tuple[Any, ...]], wanted: list[str], on_fault: OnFault) -> TextTable:
    headers = ([_cell(cell).lower() for cell in row] for row in rows[:_HEADER_WITHIN])
    found = next(((number, names) for number, names in enumerate(headers) if set(wanted) <= set(names)), None)
    if found is None:
        raise DataError(
            f"{path}: none of the first {_HEADER_WITHIN} rows names the columns {', '.join(wanted)}. Copy it again."
        )
    start, names = found
    places = [names.index(name) for name in wanted]
    columns: dict[str, list[str]] = {name: [] for name in wanted}
    lines = []
    for number, row in enumerate(rows[start + 1 :], start=start + 2):
        values = [_cell(row[place]) if place < len(row) else "" for place in places]
        if any(values):
            lines.append(number)
            for name, value in zip(wanted, values, strict=True):
                columns[name].append(value)
    check_count(path, len(lines))
    return TextTable(path, columns, np.array(lines, dtype=np.int64), False, tuple(wanted), on_fault)


def _cell(cell: object) -> str:
    """A cell as it reads; a whole number without a point, because image names such as 1600 are stored as numbers."""
    if cell is None:
        return ""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell).strip()


_NUMBERS = ("double", "single", "logical", "uint8")


def read_numbers(path: Path, name: str, release: str) -> NDArray[np.float64]:
    """Return a numeric variable as a flat array.

    Args:
        path: the file.
        name: the variable; nothing else in the file is read.
        release: the database, for messages.
    """
    return _variable(path, name, _NUMBERS, release).astype(np.float64)


def read_texts(path: Path, name: str, release: str) -> tuple[str, ...]:
    """Return a cell array of texts, flat; arguments and errors as those of `read_numbers`."""
    cells = _variable(path, name, ("cell",), release)
    return tuple(_text(cell, path, row, release) for row, cell in enumerate(cells))


def _variable(path: Path, name: str, classes: tuple[str, ...], release: str) -> NDArray[Any]:
    scipy_io = require("scipy.io", "train")
    if not path.is_file():
        raise DataError(f"the {release} release lacks {path}. Copy it again.")
    if path.stat().st_size > MAX_MAT_BYTES:
        raise DataError(f"{path} has more than {MAX_MAT_BYTES} bytes: it is not of the {release} release.")
    try:
        kinds = {entry[0]: entry[2] for entry in scipy_io.whosmat(path)}
        values = scipy_io.loadmat(path, variable_names=[name])[name] if kinds.get(name) in classes else None
    except Exception as cause:  # a damaged file fails in many ways inside SciPy
        raise DataError(f"{path} cannot be read as a MATLAB file: {cause}. Copy it from the release again.") from cause
    if values is None:
        held = ", ".join(f"{key} ({value})" for key, value in kinds.items()) or "nothing"
        raise DataError(
            f"{path} has no variable {name} of class {classes[0]}; it has {held}. Copy it from the release again."
        )
    return np.ravel(values)


def _text(cell: Any, path: Path, row: int, release: str) -> str:
    if not (isinstance(cell, np.ndarray) and cell.dtype.kind == "U" and cell.size == 1):
        raise DataError(f"{path}: entry {row + 1} is not an image name. Copy it from the {release} release again.")
    return str(cell.item())
