"""Rows of scores in CSV, JSON lines and Parquet: read from any method's file, written to outputs that resume."""

from pathlib import Path

from linearityiqa.scores.output import Output
from linearityiqa.scores.parquet import ParquetOutput
from linearityiqa.scores.provenance import Provenance

__all__ = ["Output", "ParquetOutput", "open_output"]


def open_output(path: Path, provenance: Provenance, *, fresh: bool = False) -> Output:
    """Open an output to resume it, or to start it; a context manager.

    Args:
        path: a file (.csv, .jsonl), else a folder of Parquet files.
        provenance: what the rows are made with, and their columns.
        fresh: start it over, even where it holds rows.

    Raises:
        OutputError: the output cannot be written, is in use, or was made with another model or other options.
        DataError: it was changed in a way that leaves it unreadable.
        MissingExtraError: Parquet without pyarrow.
    """
    kind = Output if path.suffix.lower() in (".csv", ".jsonl") else ParquetOutput
    return kind(path, provenance, fresh=fresh)
