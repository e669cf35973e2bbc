"""Scores appended to a folder of Parquet files."""

import os
import time
from collections.abc import Set
from pathlib import Path
from typing import Any

from linearityiqa.errors import OutputError
from linearityiqa.extras import require
from linearityiqa.files import atomic_path
from linearityiqa.scoring.output import Output
from linearityiqa.scoring.output.provenance import Provenance
from linearityiqa.scoring.results import Details, ImageScore, columns

PART_ROWS = 10_000
"""Most rows of a part."""
PART_SECONDS = 300.0
"""A part is written at least this often; a kill costs no more."""
PROVENANCE = "_provenance.json"
"""Readers of Parquet folders pass over names that start with an underscore."""

_TYPES = dict.fromkeys(("score", "stage3", "stage4", "uncertainty"), "double") | {"on_scale": "bool"}


class ParquetOutput(Output):
    """Rows gathered into files ``part-000000.parquet``, ..., each written whole or not at all.

    Raises:
        OutputError: as `open_output`.
        MissingExtraError: pyarrow is not installed.
    """

    def __init__(self, folder: Path, details: Details, provenance: Provenance, *, fresh: bool) -> None:
        require("pyarrow.parquet", "parquet")
        self._rows: list[dict[str, Any]] = []
        self.next_part = 0
        """Number of the next part."""
        super().__init__(folder, details, provenance, fresh=fresh)
        self._written = time.monotonic()

    def write(self, result: ImageScore) -> None:
        """Append a row, to be written with others."""
        self._rows.append(row_of(result, self._details))
        self._count(result)
        if len(self._rows) >= PART_ROWS or time.monotonic() - self._written >= PART_SECONDS:
            with self._writing():
                self._flush()

    def count(self, images: int, failed: int) -> None:
        """Count rows of parts that others have written."""
        self.total += images
        self.failed += failed

    @property
    def _companion(self) -> Path:
        return self._path / PROVENANCE

    def _key(self, path: str) -> str:
        return _text(path)

    def _open(self) -> int:
        self._path.mkdir(parents=True, exist_ok=True)
        return os.open(self._path, os.O_RDONLY)

    def _start(self, provenance: Provenance, *, fresh: bool) -> None:
        for leftover in self._path.glob(".part-*.parquet*"):  # of a part that a kill interrupted
            leftover.unlink()
        parts = sorted(self._path.glob("part-*.parquet"))
        if fresh:
            for part in parts:
                part.unlink()
            parts = []
        if not parts:
            provenance.write(self._companion)
            return
        self._join(provenance)
        for part in parts:
            self._read_part(part)
        self.next_part = 1 + int(parts[-1].stem.removeprefix("part-"))

    def _read_part(self, part: Path) -> None:
        pyarrow, parquet = require("pyarrow", "parquet"), require("pyarrow.parquet", "parquet")
        try:
            with parquet.ParquetFile(part) as file:
                for batch in file.iter_batches(columns=["path", "error"]):
                    errors = batch.column("error").is_valid().to_pylist()
                    for path, failed in zip(batch.column("path").to_pylist(), errors, strict=True):
                        self._add_stored(path, failed=failed)
        except (pyarrow.ArrowException, KeyError, TypeError, AttributeError) as cause:
            raise OutputError(f"{part} cannot be read: {cause}. Remove it, and its images are scored again.") from cause

    def _keep_last_rows(self, keys: Set[str]) -> None:
        pyarrow, parquet = require("pyarrow", "parquet"), require("pyarrow.parquet", "parquet")
        found: set[str] = set()
        for part in sorted(self._path.glob("part-*.parquet"), reverse=True):
            names = parquet.read_table(part, columns=["path"])["path"].to_pylist()
            kept = [name not in found for name in names]  # a part holds no path twice
            found |= keys & set(names)
            if not any(kept):
                part.unlink()
            elif not all(kept):
                with atomic_path(part) as temporary:
                    parquet.write_table(parquet.read_table(part).filter(pyarrow.array(kept)), temporary)

    def _flush(self) -> None:
        if self._rows:
            write_part(self._path / part_name(self.next_part), self._rows, self._details)
            self.next_part += 1
            self._rows = []
        self._written = time.monotonic()


def write_part(path: Path, rows: list[dict[str, Any]], details: Details) -> None:
    """Write a Parquet file of rows, whole or not at all.

    Raises:
        OSError: the disk is full or fails.
    """
    pyarrow, parquet = require("pyarrow", "parquet"), require("pyarrow.parquet", "parquet")
    types = {name: pyarrow.type_for_alias(_TYPES.get(name, "string")) for name in columns(details)}
    schema = pyarrow.schema(types | {"notes": pyarrow.list_(pyarrow.string())})
    with atomic_path(path) as temporary:
        parquet.write_table(pyarrow.Table.from_pylist(rows, schema=schema), temporary)


def row_of(result: ImageScore, details: Details) -> dict[str, Any]:
    """A result as plain values; names that are not UTF-8, which Parquet cannot hold, are escaped."""
    row = result.as_dict(details)
    return {name: _text(value) if isinstance(value, str) else value for name, value in row.items()}


def part_name(number: int) -> str:
    """Name of the file of a part."""
    return f"part-{number:06d}.parquet"


def _text(value: str) -> str:
    return value.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
