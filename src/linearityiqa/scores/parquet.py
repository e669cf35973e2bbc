"""Outputs of scores as a folder of Parquet files, which the same command resumes after a stop."""

import json
import os
import re
import time
from pathlib import Path
from typing import Any

from linearityiqa.errors import OutputError
from linearityiqa.extras import require
from linearityiqa.files import atomic_path, write_text
from linearityiqa.scores.output import Output
from linearityiqa.scores.provenance import Provenance, common_columns
from linearityiqa.scores.rows import escaped, parts_of, write_part

PART_ROWS = 10_000
"""Most rows of a Parquet file."""
PART_SECONDS = 300.0
"""A Parquet file is written at least this often; a kill costs no more."""
_PART = re.compile(r"part-\d{6,}\.parquet")


class ParquetOutput(Output):
    """Rows of scores in a folder of files ``part-000000.parquet``, ..., each written atomically.

    Attributes:
        next_part: number of the next file.
    """

    def count(self, images: int, failed: int) -> None:
        """Count rows of files that others have written."""
        self.total += images
        self.failed += failed

    @property
    def _companion(self) -> Path:
        return self._path / "_provenance.json"  # readers of Parquet folders skip names that start with an underscore

    def _open(self) -> int:
        require("pyarrow.parquet", "parquet")
        self._path.mkdir(parents=True, exist_ok=True)
        return os.open(self._path, os.O_RDONLY)

    def _start(self, provenance: Provenance, *, fresh: bool) -> None:
        self._rows: list[dict[str, Any]] = []
        self._written, self.next_part = time.monotonic(), 0
        for part in parts_of(self._path):  # --fresh must not delete them
            if not _PART.fullmatch(part.name):
                raise OutputError(f"{part} is not a file of this output. Move it, or choose another --output.")
        for leftover in self._path.glob(".part-*.parquet*"):  # of a file that a kill interrupted
            leftover.unlink()
        if fresh:
            for part in parts_of(self._path):
                part.unlink()
        if parts := parts_of(self._path):
            self._columns = common_columns(provenance, self._companion, self._path)
            self._count_stored()
            self.next_part = 1 + int(parts[-1].stem.removeprefix("part-"))
        else:
            write_text(self._companion, json.dumps(provenance, indent=2) + "\n")

    def _key(self, path: str) -> str:
        return escaped(path)

    def _append(self, row: dict[str, Any]) -> None:
        self._rows.append(row)
        if len(self._rows) >= PART_ROWS or time.monotonic() - self._written >= PART_SECONDS:
            self._flush()

    def _flush(self) -> None:
        if self._rows:
            write_part(self._path / part_name(self.next_part), self._rows, self._columns)
            self.next_part += 1
            self._rows = []
        self._written = time.monotonic()

    def _keep_last_rows(self) -> None:
        pyarrow, parquet = require("pyarrow", "parquet"), require("pyarrow.parquet", "parquet")
        found: set[str] = set()
        for part in reversed(parts_of(self._path)):
            names = parquet.read_table(part, columns=["path"])["path"].to_pylist()
            kept = [name not in found for name in names]  # a part holds no path twice
            found |= self._superseded & set(names)
            if not any(kept):
                part.unlink()
            elif not all(kept):
                with atomic_path(part) as temporary:
                    parquet.write_table(parquet.read_table(part).filter(pyarrow.array(kept)), temporary)


def part_name(number: int) -> str:
    """Return the name of a file of a folder of Parquet files."""
    return f"part-{number:06d}.parquet"
