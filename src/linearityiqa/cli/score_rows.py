"""Scores on standard output, a row for each image: a table, CSV or JSON lines."""

import heapq
import io
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from linearityiqa.config import ScoreConfig
from linearityiqa.console import printable, say
from linearityiqa.record import ModelRecord
from linearityiqa.scores.rows import csv_line, csv_row
from linearityiqa.scoring import Details, ImageScore, columns
from linearityiqa.scoring.results import Tally, decimals


class Format(NamedTuple):
    """Format of printed scores: a header, if any, and a line for each result."""

    header: str | None
    line: Callable[[ImageScore], str]


def format_of(config: ScoreConfig, details: Details, record: ModelRecord) -> Format:
    """Return the format that the options ask for."""
    if config.json:
        return Format(None, lambda result: json.dumps(result.as_dict(details)))
    if config.csv:
        return Format(csv_line(columns(details)), lambda result: csv_row(result.as_dict(details)))
    stages = ("stage3", "stage4") if config.stages else ()
    scores = ("score", *stages, *(("uncertainty",) if details.uncertainty else ()))
    widths = [max(7, len(name)) for name in scores]
    digits = decimals(record.scale)

    def row(cells: Iterable[str], quality: str, image: str, group: str, best: str) -> str:
        # the image comes last, so that columns line up without knowing the longest path, and no path is cut
        numbers = "  ".join(f"{cell:>{width}}" for cell, width in zip(cells, widths, strict=True))
        burst = f"{group:>5}  {best:4}  " if details.bursts else ""
        return f"{numbers}  {quality:9}  {burst}{image}"

    def line(result: ImageScore) -> str:
        numbers = [getattr(result, name) for name in scores]
        cells = ["-" if number is None else f"{number:.{digits}f}" for number in numbers]
        grade = "-" if result.score is None else record.grade(result.score) or "-"
        burst = str(result.group or "-"), "best" if result.best else ""
        return row(cells, "error" if result.failed else grade, printable(_image(result)), *burst)

    return Format(row(scores, "quality", "image", "group", "best"), line)


def select(results: Iterable[ImageScore], config: ScoreConfig) -> Iterable[ImageScore]:
    """Select and sort results as the options say; lazily, where the order allows it.

    A selection leaves out images without a score, whose errors go to standard error; sorted by score they come last.
    """
    if config.best_of_bursts or any(
        bound is not None for bound in (config.worst, config.best, config.below, config.above)
    ):
        results = _without_failed(results)
    if config.best_of_bursts:
        results = (result for result in results if result.best)
    if config.below is not None:
        results = (result for result in results if result.score is None or result.score < config.below)
    if config.above is not None:
        results = (result for result in results if result.score is None or result.score > config.above)
    if config.worst is not None or config.best is not None:
        choose = heapq.nsmallest if config.best is None else heapq.nlargest
        results = choose(config.worst or config.best or 0, results, key=_score)
    if config.sort == "score" and config.best is None:
        results = sorted(results, key=_score)
    if config.sort == "name":
        results = sorted(results, key=lambda result: result.path)
    return results


def print_rows(results: Iterable[ImageScore], form: Format) -> None:
    """Print results as they arrive."""
    stream = sys.stdout
    if isinstance(stream, io.TextIOWrapper):  # file names come out as the bytes that they are
        stream.reconfigure(errors="surrogateescape" if stream.encoding.lower() == "utf-8" else "backslashreplace")
    if form.header is not None:
        print(form.header, file=stream, flush=True)
    for result in results:
        line = form.line(result)
        if stream.isatty():  # where a progress bar swaps sys.stdout for itself: rows go above it
            say(line)
        else:  # CSV is for programs here, and holds every name as it is
            print(line, file=stream, flush=True)


def print_summary(tally: Tally, record: ModelRecord, *, below_table: bool) -> int:
    """Print quantiles of the scores and the number of failures; return 1 if any image has no score, else 0.

    On a terminal they end the table, else they go to standard error.
    """
    line = tally.line(decimals(record.scale))
    if line:
        say(line, file=sys.stdout if below_table and sys.stdout.isatty() else sys.stderr)
    return 1 if tally.failed else 0


def _without_failed(results: Iterable[ImageScore]) -> Iterator[ImageScore]:
    for result in results:
        if result.failed:
            say(_image(result), file=sys.stderr)
        else:
            yield result


def _score(result: ImageScore) -> float:
    return float("inf") if result.score is None else result.score


def _image(result: ImageScore) -> str:
    path = result.path
    beyond = ("beyond the scale",) if result.on_scale is False else ()
    remarks = "; ".join((*beyond, *result.notes, *([f"map: {result.map_file}"] if result.map_file else [])))
    image = f"{path}  ({remarks})" if remarks else path
    if result.error is None:
        return image
    return result.error if path in result.error else f"{image}: {result.error}"
