"""Scores appended to a folder of Parquet files."""

import os
import time
from pathlib import Path
from typing import Any

from linearityiqa.errors import OutputError
from linearityiqa.extras import require
from linearityiqa.files import atomic_path, try_lock
from linearityiqa.scoring.output.base import Output, translate_errors
from linearityiqa.scoring.output.provenance import Provenance
from linearityiqa.scoring.results import Details, ImageScore, columns

PART_ROWS = 10_000
"""Most rows of a part."""
PART_SECONDS = 300.0
"""A part is written at least this often; a kill costs no more."""
PROVENANCE = "_provenance.json"
"""Readers of Parquet folders pass over names that start with an underscore."""

_TYPES = {
    "score": "double",
    "stage3": "double",
    "stage4": "double",
    "uncertainty": "double",
    "on_scale": "bool",
}


class ParquetOutput(Output):
    """Rows gathered into files ``part-000000.parquet``, ..., each written whole or not at all.

    Args:
        folder: the folder; what it was made with stands in ``_provenance.json``.
        details: which columns there are.
        provenance: what the rows are made with.
        fresh: start over.

    Raises:
        OutputError: as `open_output`.
        MissingExtraError: pyarrow is not installed.
    """

    def __init__(self, folder: Path, details: Details, provenance: Provenance, *, fresh: bool) -> None:
        super().__init__()
        require("pyarrow.parquet", "parquet")
        self._folder = folder
        self._details = details
        self._rows: list[dict[str, Any]] = []
        self._next = 0
        with translate_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
            self._descriptor = os.open(folder, os.O_RDONLY)
        try:
            with translate_errors(folder):
                self._start(provenance, fresh=fresh)
        except BaseException:
            os.close(self._descriptor)
            raise
        self._written = time.monotonic()

    def take(self, path: str) -> bool:
        """Whether an image has no row yet; each path is taken once."""
        return super().take(_text(path))

    def write(self, result: ImageScore) -> None:
        """Append a row, to be written with others."""
        self._rows.append(row_of(result, self._details))
        self._count(failed=result.failed)
        if len(self._rows) >= PART_ROWS or time.monotonic() - self._written >= PART_SECONDS:
            self._flush()

    def close(self) -> None:
        """Write the rows that are left."""
        try:
            self._flush()
        finally:
            os.close(self._descriptor)

    @property
    def next_part(self) -> int:
        """Number of the next part."""
        return self._next

    def count(self, images: int, failed: int) -> None:
        """Count rows of parts that others have written."""
        self.total += images
        self.failed += failed

    def _flush(self) -> None:
        if self._rows:
            with translate_errors(self._folder):
                write_part(self._folder / part_name(self._next), self._rows, self._details)
            self._next += 1
            self._rows = []
        self._written = time.monotonic()

    def _start(self, provenance: Provenance, *, fresh: bool) -> None:
        if try_lock(self._descriptor) is False:
            raise OutputError(f"another process is writing {self._folder}. Wait for it, or stop it.")
        for leftover in self._folder.glob(".part-*.parquet*"):  # of a part that a kill interrupted
            leftover.unlink()
        parts = sorted(self._folder.glob("part-*.parquet"))
        if fresh:
            for part in parts:
                part.unlink()
            parts = []
        companion = self._folder / PROVENANCE
        if parts:
            provenance.require_same(Provenance.read(companion, self._folder), self._folder)
        else:
            provenance.write(companion)
        for part in parts:
            self._read_part(part)
        if parts:
            self._next = 1 + int(parts[-1].stem.removeprefix("part-"))

    def _read_part(self, part: Path) -> None:
        pyarrow, parquet = require("pyarrow", "parquet"), require("pyarrow.parquet", "parquet")
        try:
            with parquet.ParquetFile(part) as file:
                for batch in file.iter_batches(columns=["path", "error"]):
                    errors = batch.column("error").is_valid().to_pylist()
                    for path, failed in zip(batch.column("path").to_pylist(), errors, strict=True):
                        self._seen.add(path)
                        self._count(failed=failed)
        except (pyarrow.ArrowException, KeyError, TypeError, AttributeError) as cause:
            raise OutputError(f"{part} cannot be read: {cause}. Remove it, and its images are scored again.") from cause


def write_part(path: Path, rows: list[dict[str, Any]], details: Details) -> None:
    """Write a Parquet file of rows, whole or not at all.

    Raises:
        OSError: the disk is full or fails.
    """
    table = require("pyarrow", "parquet").Table.from_pylist(rows, schema=schema_of(details))
    with atomic_path(path) as temporary:
        require("pyarrow.parquet", "parquet").write_table(table, temporary)


def row_of(result: ImageScore, details: Details) -> dict[str, Any]:
    """A result as plain values; names that are not UTF-8, which Parquet cannot hold, are escaped."""
    row = result.as_dict(details)
    return {name: _text(value) if isinstance(value, str) else value for name, value in row.items()}


def schema_of(details: Details) -> Any:
    """The Arrow schema of the rows."""
    pyarrow = require("pyarrow", "parquet")

    def type_of(name: str) -> Any:
        return (
            pyarrow.list_(pyarrow.string()) if name == "notes" else pyarrow.type_for_alias(_TYPES.get(name, "string"))
        )

    return pyarrow.schema([(name, type_of(name)) for name in columns(details)])


def _text(value: str) -> str:
    return value.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def part_name(number: int) -> str:
    """Name of the file of a part."""
    return f"part-{number:06d}.parquet"
