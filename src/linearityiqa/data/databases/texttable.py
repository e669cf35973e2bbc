"""Tables of text, from CSV files as people make them and from files of words; every fault is named with its line."""

import csv
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

from linearityiqa.data.databases.labels import MAX_ROWS, Fault, Labels, OnFault, check_count, place, refuse
from linearityiqa.errors import DataError
from linearityiqa.quality import QualityScale

MAX_BYTES = 1 << 30
"""Largest label file that is read."""
SEPARATORS = ",;\t"
_LONGEST_HEADER = 1 << 16
_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+")


@dataclass(frozen=True, eq=False)
class TextTable:
    """The columns of a file as text, by lower-case name, with the line of each row.

    `header` has the names as spelled in the file; `decimal_comma` is set if ``3,5`` is a number.
    """

    file: Path
    columns: dict[str, list[str]]
    lines: NDArray[np.int64]
    header: tuple[str, ...]
    on_fault: OnFault = refuse
    decimal_comma: bool = False

    def __contains__(self, column: str) -> bool:
        return column.lower() in self.columns

    def __len__(self) -> int:
        return len(self.lines)

    def where(self, row: int) -> str:
        """Return the file and line of a row, for messages."""
        return place(self.file, row, self.lines)

    def texts(self, column: str) -> list[str]:
        """Return the values of a column."""
        if column not in self:
            raise DataError(
                f"{self.file} has no column {column}; its columns are {', '.join(self.header)}. Rename or add it "
                "(the first line must name the columns)."
            )
        return self.columns[column.lower()]

    def numbers(self, column: str) -> NDArray[np.float64]:
        """Return the values of a column as numbers, shape (N,); invalid ones, if faults are collected, as NaN."""
        values = np.full(len(self), np.nan)
        for row, text in enumerate(self.texts(column)):
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
        """Return `numbers`, or None where the column is absent or has nothing but empty cells and nan."""
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
        """Return the labels of all rows, from values that `texts` and `numbers` gave."""
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

    Only columns in `wanted` are kept (None: all), in any case; a row of the wrong length is a fault, and left out.
    """
    with _open_text(path) as stream:
        first = stream.readline(_LONGEST_HEADER)
        separator = max(SEPARATORS, key=lambda candidate: len(next(csv.reader([first], delimiter=candidate), [])))
        stream.seek(0)
        reader = csv.reader(stream, delimiter=separator)
        remedy = (
            f"Quote values that contain the separator ({separator!r}), and leave no column out"
            f"{'; decimal commas need semicolons between the columns' * (separator == ',')}."
        )
        try:
            header = tuple(cell.strip() for cell in next(reader))
            rows = _numbered(reader)
            return collect_rows(path, header, rows, wanted, on_fault, remedy, decimal_comma=separator == ";")
        except csv.Error as cause:
            raise DataError(
                f"{path}, line {reader.line_num}: {cause}. Look for a quote that is never closed before it."
            ) from cause


def read_words(path: Path, columns: Sequence[str], on_fault: OnFault = refuse) -> TextTable:
    """Read a file without a header that has one word for each column in every line."""
    with _open_text(path) as stream:
        rows = enumerate(map(str.split, stream), start=1)
        return collect_rows(path, columns, rows, None, on_fault, f"Each line has {' '.join(columns)}. Copy it again.")


def collect_rows(
    path: Path,
    header: Sequence[str],
    rows: Iterable[tuple[int, Sequence[str]]],
    wanted: Sequence[str] | None,
    on_fault: OnFault,
    remedy: str,
    *,
    decimal_comma: bool = False,
) -> TextTable:
    """Return the wanted columns of rows, each with its line; blank rows are skipped, those of a wrong length faults."""
    places = _places(path, header, None if wanted is None else {column.lower() for column in wanted})
    columns: dict[str, list[str]] = {name: [] for name in places}
    lines: list[int] = []
    for line, row in rows:
        if not any(cell.strip() for cell in row):
            continue
        if len(row) != len(header):
            message = f"{path}, line {line}: {len(row)} values for {len(header)} columns. {remedy}"
            on_fault(Fault("row", message))
            continue
        lines.append(line)
        if len(lines) > MAX_ROWS:
            break
        for name, index in places.items():
            columns[name].append(row[index].strip())
    check_count(path, len(lines))
    return TextTable(path, columns, np.array(lines, dtype=np.int64), tuple(header), on_fault, decimal_comma)


@contextmanager
def _open_text(path: Path) -> Iterator[TextIO]:
    """Open a label file as UTF-8 text; refuse what is no such file before and while it is read."""
    try:
        if path.is_dir():
            raise DataError(f"{path} is a folder. Name the CSV file in it.")
        if not path.is_file():
            raise DataError(f"there is no label file {path}. Check the path, which is relative to {Path.cwd()}.")
        if (size := path.stat().st_size) > MAX_BYTES:
            raise DataError(
                f"{path} has {size} bytes, more than {MAX_BYTES}. Check that it is a label file, or divide it."
            )
        with path.open("rb") as file:
            start = file.read(4096)
        if not start.strip(b"\xef\xbb\xbf\r\n\t ,;"):
            raise DataError(
                f"{path} is empty. It needs a line of column names (image_name, mos) and a line for each image."
            )
        if b"\0" in start:
            raise DataError(f"{path} is not a UTF-8 text file. Save the labels as CSV in UTF-8.")
        with path.open(encoding="utf-8-sig", newline="") as stream:
            yield stream
    except UnicodeDecodeError as cause:
        line = _undecodable_line(path)
        raise DataError(f"{path}, line {line}: not UTF-8 text. Save the file as CSV in UTF-8.") from cause
    except OSError as cause:
        raise DataError(f"{path} cannot be read: {cause.strerror}. Check its permissions and the disk.") from cause


def _undecodable_line(path: Path) -> int:
    with path.open("rb") as stream:
        for number, line in enumerate(stream, start=1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError:
                return number
    return 1


def _numbered(reader: Any) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows with the line that each begins on: a quoted value may span several."""
    line = reader.line_num + 1
    for row in reader:
        yield line, row
        line = reader.line_num + 1


def _places(path: Path, header: Sequence[str], wanted: set[str] | None) -> dict[str, int]:
    """Return the position of each wanted column."""
    if not any(header):
        raise DataError(f"{path}: the first line is blank. It must name the columns (image_name, mos).")
    places: dict[str, int] = {}
    for index, name in enumerate(cell.lower() for cell in header):
        if name in places:
            raise DataError(f"{path} names the column {header[index]} twice. Rename or remove one of them.")
        if name if wanted is None else name in wanted:
            places[name] = index
    return places
