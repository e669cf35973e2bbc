"""Results printed on standard output, a row each: a table, CSV or JSON lines."""

import io
import sys
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, NamedTuple

from linearityiqa.config import ScoreConfig

if TYPE_CHECKING:
    from linearityiqa.scoring import Details, ImageScore


class Format(NamedTuple):
    """How results are written: a first line, if any, and a line for each."""

    header: str | None
    line: Callable[["ImageScore"], str]


class Count(NamedTuple):
    """How many images there were, and how many of them have no score."""

    failed: int
    total: int


def format_of(config: ScoreConfig, details: "Details") -> Format:
    """The format that the options ask for."""
    from linearityiqa.scoring.rows import csv_header, csv_row, json_row

    if config.json:
        return Format(None, lambda result: json_row(result, details))
    if config.csv:
        return Format(csv_header(details), lambda result: csv_row(result, details))
    scores = ("score", "stage3", "stage4", *(("uncertainty",) if details.uncertainty else ()))
    header = _table_row(scores, "scale", "image")
    return Format(header, lambda result: _table_line(result, [getattr(result, name) for name in scores]))


def print_rows(results: Iterable["ImageScore"], form: Format) -> Count:
    """Print results as they come."""
    stream = sys.stdout
    if isinstance(stream, io.TextIOWrapper):  # file names come out as the bytes that they are
        stream.reconfigure(errors="surrogateescape" if stream.encoding.lower() == "utf-8" else "backslashreplace")
    if form.header is not None:
        print(form.header, file=stream, flush=True)
    failed = total = 0
    for result in results:
        failed += result.failed
        total += 1
        # a progress bar swaps sys.stdout for itself: rows go above it on a terminal, and past it into a file
        print(form.line(result), file=sys.stdout if stream.isatty() else stream, flush=True)
    return Count(failed, total)


_ON_SCALE = {True: "on", False: "OFF", None: "-"}


def _table_row(scores: Iterable[str], scale: str, image: str) -> str:
    # the image comes last, so that columns line up without knowing the longest path, and no path is cut
    return " ".join(f"{score:>11}" for score in scores) + f"  {scale:5}  {image}"


def _table_line(result: "ImageScore", numbers: Iterable[float | None]) -> str:
    scores = ["-" if number is None else f"{number:.4f}" for number in numbers]
    remarks = "; ".join((*result.notes, *([f"map: {result.map_file}"] if result.map_file else [])))
    image = f"{result.path}  ({remarks})" if remarks else result.path
    if result.error is not None:
        image = result.error if result.path in result.error else f"{image}: {result.error}"
    return _table_row(scores, "error" if result.error else _ON_SCALE[result.on_scale], _printable(image))


def _printable(text: str) -> str:
    """One line that no file name can break or turn into commands for the terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
