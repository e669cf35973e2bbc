"""A result as a line of text: CSV and JSON lines."""

import csv
import io
import json
from collections.abc import Iterable
from typing import Any

from linearityiqa.scoring.results import Details, ImageScore, columns


def csv_header(details: Details) -> str:
    """The first line of a CSV file, without its end."""
    return csv_line(columns(details))


def csv_row(result: ImageScore, details: Details) -> str:
    """A result as a line of CSV, without its end; a path may make it several lines, in quotes."""
    return csv_line(map(_cell, result.as_dict(details).values()))


def json_row(result: ImageScore, details: Details) -> str:
    """A result as a line of JSON, in ASCII, without its end."""
    return json.dumps(result.as_dict(details))


def csv_line(cells: Iterable[Any]) -> str:
    """Cells as a line of CSV, without its end."""
    line = io.StringIO()
    end = "\r\n"  # what the end consists of is quoted inside a cell: a path may hold either
    csv.writer(line, lineterminator=end).writerow(cells)
    return line.getvalue().removesuffix(end)


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "; ".join(value) if isinstance(value, list) else value
