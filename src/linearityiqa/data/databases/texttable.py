"""CSV files as people make them: any common separator, quotes, a byte order mark; every fault with its line."""

import csv
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import numpy as np
from numpy.typing import NDArray

from linearityiqa.data.databases.labels import MAX_ROWS, Fault, Labels, OnFault, check_count, refuse
from linearityiqa.errors import DataError
from linearityiqa.quality import QualityScale

MAX_BYTES = 1 << 30
"""Largest label file that is read."""
SEPARATORS = ",;\t"
_LONGEST_HEADER = 1 << 16
_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+")


@dataclass(frozen=True, eq=False)
class TextTable:
    """The columns of a CSV file as text, by lower-case name.

    Attributes:
        file: the file.
        columns: values by column, surrounding blanks removed.
        lines: line of each row in the file, counted from 1.
        decimal_comma: whether ``3,5`` is a number: it is where the separator is a semicolon.
        header: the column names as they stand in the file.
        on_fault: what is done about values that are not what they should be.
    """

    file: Path
    columns: dict[str, list[str]]
    lines: NDArray[np.int64]
    decimal_comma: bool
    header: tuple[str, ...]
    on_fault: OnFault = refuse

    def __contains__(self, column: str) -> bool:
        return column.lower() in self.columns

    def __len__(self) -> int:
        return len(self.lines)

    def where(self, row: int) -> str:
        """Return the place of a row, for messages."""
        return f"{self.file}, line {self.lines[row]}"

    def texts(self, column: str) -> list[str]:
        """Return the values of a column."""
        if column not in self:
            raise DataError(
                f"{self.file} has no column {column}; its columns are {', '.join(self.header)}. Rename or add it "
                "(the first line must name the columns)."
            )
        return self.columns[column.lower()]

    def numbers(self, column: str, *, empty: bool = False) -> NDArray[np.float64]:
        """The values of a column as numbers, shape (N,); NaN for a value that is none, where faults are collected.

        Args:
            column: its name.
            empty: let cells be empty; they are NaN.
        """
        values = np.full(len(self), np.nan)
        for row, text in enumerate(self.texts(column)):
            if empty and not text:
                continue
            try:
                values[row] = self._number(text)
            except ValueError:
                fault = f"is {text[:40]!r}, not a finite number" if text else "is empty"
                remedy = "Correct or drop the row."
                if _DECIMAL_COMMA.fullmatch(text):
                    remedy = "A decimal comma needs semicolons between the columns; or write a point."
                self.on_fault(Fault("number", f"{self.where(row)}: {column} {fault}. {remedy}"))
        return values

    def known_numbers(self, column: str) -> NDArray[np.float64] | None:
        """As `numbers`, or None where there is no such column or nothing (nor more than nan) stands in it."""
        if column not in self or all(text.lower() in ("", "nan") for text in self.texts(column)):
            return None
        return self.numbers(column)

    def labels(
        self,
        names: Sequence[str],
        mos: NDArray[np.float64],
        scale: QualityScale,
        *,
        mos_std: NDArray[np.float64] | None = None,
        references: Sequence[str] | None = None,
        splits: Mapping[str, NDArray[np.int64]] | None = None,
        others: Mapping[str, Sequence[str]] | None = None,
    ) -> Labels:
        """Labels of all rows, of values that `texts` and `numbers` gave."""
        return Labels(
            file=self.file,
            names=tuple(names),
            mos=mos,
            scale=scale,
            mos_std=mos_std,
            references=None if references is None else tuple(references),
            splits=splits,
            lines=self.lines,
            others={name: tuple(values) for name, values in (others or {}).items()},
            on_fault=self.on_fault,
            nan_reported=True,
        )

    def _number(self, text: str) -> float:
        if "_" in text:  # Python's own notation, in a label file a slip
            raise ValueError(text)
        value = float(text.replace(",", ".") if self.decimal_comma else text)
        if not math.isfinite(value):
            raise ValueError(text)
        return value


def read_text_table(path: Path, wanted: Sequence[str] | None, on_fault: OnFault = refuse) -> TextTable:
    """Read a CSV file: UTF-8, column names in its first line, separated by comma, semicolon or tab (found from there).

    Args:
        path: the file.
        wanted: names of the columns that are kept, where present; case does not matter. None keeps all.
        on_fault: what is done about faulty rows and values; a row of the wrong length is left out.
    """
    _check_file(path)
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            kept = None if wanted is None else {column.lower() for column in wanted}
            return _read_rows(path, stream, kept, on_fault)
    except UnicodeDecodeError as cause:
        raise DataError(
            f"{path}, line {_undecodable_line(path)}: not UTF-8 text. Save the file as CSV in UTF-8."
        ) from cause
    except OSError as cause:
        raise DataError(f"{path} cannot be read: {cause.strerror}. Check its permissions and the disk.") from cause


def _check_file(path: Path) -> None:
    """Refuse what is no label file before reading it whole."""
    try:
        if path.is_dir():
            raise DataError(f"{path} is a folder. Name the CSV file in it.")
        if not path.is_file():
            raise DataError(f"there is no label file {path}. Check the path, which is relative to {Path.cwd()}.")
        size = path.stat().st_size
        with path.open("rb") as stream:
            start = stream.read(4096)
    except OSError as cause:
        raise DataError(f"{path} cannot be read: {cause.strerror}. Check its permissions.") from cause
    if not start.strip(b"\xef\xbb\xbf\r\n\t ,;"):
        raise DataError(
            f"{path} is empty. It needs a line of column names (image_name, mos) and a line for each image."
        )
    if size > MAX_BYTES:
        raise DataError(f"{path} has {size} bytes, more than {MAX_BYTES}. Check that it is a label file, or divide it.")
    if b"\0" in start:
        raise DataError(f"{path} is not a UTF-8 text file. Save the labels as CSV in UTF-8.")


def _read_rows(path: Path, stream: TextIO, wanted: set[str] | None, on_fault: OnFault) -> TextTable:
    first = stream.readline(_LONGEST_HEADER)
    separator = max(SEPARATORS, key=lambda candidate: len(next(csv.reader([first], delimiter=candidate), [])))
    stream.seek(0)
    reader = csv.reader(stream, delimiter=separator)
    try:
        header = tuple(cell.strip() for cell in next(reader))
        places = _places(path, header, wanted)
        columns: dict[str, list[str]] = {name: [] for name in places}
        lines: list[int] = []
        next_line = reader.line_num + 1
        for row in reader:
            line, next_line = next_line, reader.line_num + 1  # a quoted value may span lines
            if not any(cell.strip() for cell in row):
                continue
            if len(row) != len(header):
                on_fault(
                    Fault(
                        "row",
                        f"{path}, line {line}: {len(row)} values for {len(header)} columns. Quote values that contain "
                        f"the separator ({separator!r}), and leave no column out"
                        f"{'; decimal commas need semicolons between the columns' * (separator == ',')}.",
                    )
                )
                continue
            lines.append(line)
            if len(lines) > MAX_ROWS:
                break
            for name, index in places.items():
                columns[name].append(row[index].strip())
    except csv.Error as cause:
        raise DataError(
            f"{path}, line {reader.line_num}: {cause}. Look for a quote that is never closed before it."
        ) from cause
    check_count(path, len(lines))
    return TextTable(path, columns, np.array(lines, dtype=np.int64), separator == ";", header, on_fault)


def _places(path: Path, header: Sequence[str], wanted: set[str] | None) -> dict[str, int]:
    """Position of each wanted column."""
    if not any(header):
        raise DataError(f"{path}: the first line is blank. It must name the columns (image_name, mos).")
    places: dict[str, int] = {}
    for index, name in enumerate(cell.lower() for cell in header):
        if name in places:
            raise DataError(f"{path} names the column {header[index]} twice. Rename or remove one of them.")
        if name if wanted is None else name in wanted:
            places[name] = index
    return places


def _undecodable_line(path: Path) -> int:
    with path.open("rb") as stream:
        for number, line in enumerate(stream, start=1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError:
                return number
    return 1
