"""Scores that are appended durably, so that the same command goes on where it stopped."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from linearityiqa.scoring.output.base import Output
from linearityiqa.scoring.output.provenance import Provenance
from linearityiqa.scoring.output.text import CsvForm, JsonForm, TextOutput
from linearityiqa.scoring.results import Details

__all__ = ["Output", "Provenance", "open_output"]


@contextlib.contextmanager
def open_output(path: Path, provenance: Provenance, details: Details, *, fresh: bool = False) -> Iterator[Output]:
    """Open an output to go on with it, or to start it.

    Args:
        path: a file (.csv, .jsonl), else a folder of Parquet files.
        provenance: what the rows are made with.
        details: which columns there are.
        fresh: start it over, even where it holds rows.

    Raises:
        OutputError: the output cannot be read or written, is in use, is damaged other than by a stop, or was made with
            another model or other options.
        MissingExtraError: Parquet without pyarrow.
    """
    output: Output
    match path.suffix.lower():
        case ".csv":
            output = TextOutput(path, CsvForm(details), provenance, fresh=fresh)
        case ".jsonl":
            output = TextOutput(path, JsonForm(details), provenance, fresh=fresh)
        case _:
            from linearityiqa.scoring.output.parquet import ParquetOutput

            output = ParquetOutput(path, details, provenance, fresh=fresh)
    with contextlib.closing(output):
        yield output
