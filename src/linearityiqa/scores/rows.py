"""Formats of rows of scores: a row as a line of CSV or JSON or in a Parquet file, and the reader of all of them."""

import csv
import io
import itertools
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from linearityiqa.errors import MALFORMED, DataError
from linearityiqa.extras import require
from linearityiqa.files import atomic_path

Row = dict[str, Any]
"""Values of one image by column: text, numbers, truth values, the notes, None where there is none."""

NUMBERS = ("score", "stage3", "stage4", "uncertainty")
TEXTS = ("path", "quality", "error", "map_file")
OTHER_NAMES = {"image_name": "path", "prediction": "score"}
"""Names of columns in files of predictions, and in those of other methods."""
MAX_ROW_BYTES = 1 << 20
SEPARATORS = ",;\t"

_TRUTH = {"true": True, "false": False}
_TYPES = dict.fromkeys(NUMBERS, "double") | {"on_scale": "bool"}


def csv_row(row: Mapping[str, Any]) -> str:
    """Return a row as a line of CSV, without its end; a path may make it several lines, in quotes."""
    cells = (str(cell).lower() if isinstance(cell, bool) else cell for cell in row.values())
    return csv_line("; ".join(cell) if isinstance(cell, list | tuple) else cell for cell in cells)


def csv_line(cells: Iterable[Any]) -> str:
    """Return cells, or the names of columns, as a line of CSV, without its end."""
    line = io.StringIO()
    end = "\r\n"  # what the end consists of is quoted inside a cell: a path may hold either
    csv.writer(line, lineterminator=end).writerow(cells)
    return line.getvalue().removesuffix(end)


def write_part(path: Path, rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> None:
    """Write a Parquet file of rows, atomically; names that are not UTF-8, which Parquet cannot hold, are escaped.

    Raises:
        OSError: the disk is full or fails.
    """
    pyarrow, parquet = require("pyarrow", "parquet"), require("pyarrow.parquet", "parquet")
    types = {name: pyarrow.type_for_alias(_TYPES.get(name, "string")) for name in columns}
    schema = pyarrow.schema(types | {"notes": pyarrow.list_(pyarrow.string())})
    texts = [{name: escaped(value) if isinstance(value, str) else value for name, value in row.items()} for row in rows]
    with atomic_path(path) as temporary:
        parquet.write_table(pyarrow.Table.from_pylist(texts, schema=schema), temporary)


def escaped(text: str) -> str:
    """Return a text that is valid UTF-8."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def parts_of(folder: Path) -> list[Path]:
    """Return the Parquet files of a folder, in order, without those that a kill left half-written."""
    return sorted(part for part in folder.glob("*.parquet") if not part.name.startswith((".", "_")))


def read_scores(path: Path) -> Iterator[Row]:
    """Yield the rows of a file of scores, in order: those of `linearityiqa score`, or another method's.

    A row has the columns of `score --csv` that the file has. A file needs two: `path` or `image_name`, and `score` or
    `prediction`; the score may be missing.

    Args:
        path: CSV (separated by comma, semicolon or tab), JSON lines (.jsonl), or Parquet (.parquet, or a folder of such
            files).

    Raises:
        DataError: the file cannot be read, lacks a column, or holds a value that is not what it should be; says where.
        MissingExtraError: Parquet without pyarrow.
    """
    if path.is_dir():
        parts = parts_of(path)
        if not parts:
            raise DataError(f"{path} is a folder without .parquet files. Name a file of scores.")
        for part in parts:
            yield from read_scores(part)
        return
    rows = {".parquet": _parquet_rows, ".jsonl": _json_rows}.get(path.suffix.lower(), _csv_rows)
    try:
        with path.open("rb") as stream:
            for place, values in rows(stream):
                yield _checked(values, path, place)
    except (OSError, NotImplementedError, csv.Error, *MALFORMED) as cause:
        reason = getattr(cause, "strerror", None) or str(cause).rstrip(".")
        raise DataError(f"cannot read the scores in {path}: {reason}. Correct the file, or copy it again.") from cause


def _json_rows(stream: BinaryIO) -> Iterator[tuple[str, Row]]:
    for number, line in enumerate(_lines(stream), start=1):
        values = json.loads(line)
        if not isinstance(values, dict):
            raise ValueError(f"line {number} is no object")
        yield f"line {number}", values


def _lines(stream: BinaryIO) -> Iterator[str]:
    # a longer line comes in pieces, which are no rows
    lines = iter(lambda: stream.readline(MAX_ROW_BYTES), b"")
    return (line.decode("utf-8", "surrogateescape") for line in lines)


def _csv_rows(stream: BinaryIO) -> Iterator[tuple[str, Row]]:
    lines = _lines(stream)
    first = next(lines, "").removeprefix("\N{ZERO WIDTH NO-BREAK SPACE}")
    separator = max(SEPARATORS, key=first.count)
    reader = csv.reader(itertools.chain([first], lines), delimiter=separator, strict=True)
    header = [name.strip().lower() for name in next(reader, [])]
    if twice := [name for name in (*TEXTS, *NUMBERS, *OTHER_NAMES) if header.count(name) > 1]:
        raise ValueError(f"line 1 names the column {twice[0]} twice")
    for cells in reader:
        if not any(cells):
            continue
        if len(cells) != len(header):
            raise ValueError(f"line {reader.line_num}: {len(cells)} values for {len(header)} columns")
        texts = dict(zip(header, cells, strict=True))
        values: Row = {name: text or None for name, text in texts.items()}
        for name in (*NUMBERS, "prediction"):
            if values.get(name) is not None:
                values[name] = _number(texts[name].strip(), decimal_comma=separator == ";")
        notes = texts["notes"].split("; ") if texts.get("notes") else []
        on_scale = _TRUTH.get(texts.get("on_scale", ""))
        yield f"line {reader.line_num}", values | {"on_scale": on_scale, "notes": notes}


def _number(text: str, *, decimal_comma: bool) -> float | str:
    """Return the number that a cell holds, or its text where it holds none."""
    try:
        # an underscore between digits is Python's own notation: a slip
        return text if "_" in text else float(text.replace(",", ".") if decimal_comma else text)
    except ValueError:
        return text


def _parquet_rows(stream: BinaryIO) -> Iterator[tuple[str, Row]]:
    known = {*TEXTS, *NUMBERS, *OTHER_NAMES, "on_scale", "notes"}
    with require("pyarrow.parquet", "parquet").ParquetFile(stream) as file:
        columns = [name for name in file.schema_arrow.names if name in known]
        batches = (batch.to_pylist() for batch in file.iter_batches(batch_size=1000, columns=columns))
        for number, values in enumerate(itertools.chain.from_iterable(batches), start=1):
            yield f"row {number}", values


def _checked(values: Row, path: Path, place: str) -> Row:
    """Return the known columns of a row, of which the path and the score must be what they should be."""
    values = {OTHER_NAMES[name]: value for name, value in values.items() if name in OTHER_NAMES} | values
    for name, wanted in (("path", "path or image_name"), ("score", "score or prediction")):
        if name not in values:
            raise DataError(f"{path} has no column {wanted}; its columns are {', '.join(values)}.")
    image, score = values["path"], values["score"]
    if not isinstance(image, str):
        raise DataError(f"{path}, {place}: path is {image!r:.40}, not a text. Correct or drop the row.")
    if score is not None and not _is_number(score):
        raise DataError(f"{path}, {place}: score is {score!r:.40}, not a finite number. Correct or drop the row.")
    texts = {name: None if values.get(name) is None else str(values[name]) for name in TEXTS}
    numbers = {name: values[name] if _is_number(values.get(name)) else None for name in NUMBERS}
    on_scale = values.get("on_scale")
    notes = tuple(map(str, values.get("notes") or ()))
    return {**texts, **numbers, "on_scale": on_scale if isinstance(on_scale, bool) else None, "notes": notes}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
