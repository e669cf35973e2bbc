"""Scores appended to a CSV file or a file of JSON lines."""

import csv
import io
import json
import logging
import os
import time
from abc import abstractmethod
from collections.abc import Iterator, Set
from pathlib import Path
from typing import BinaryIO

from linearityiqa.errors import OutputError
from linearityiqa.files import atomic_path
from linearityiqa.scoring.output import Output
from linearityiqa.scoring.output.provenance import REMEDY, Provenance
from linearityiqa.scoring.results import Details, ImageScore, columns, csv_header, csv_row, json_row

SYNC_SECONDS = 5.0
"""Rows are brought to the disk itself at least this often; a loss of power costs no more."""
MAX_ROW_BYTES = 1 << 20

logger = logging.getLogger(__name__)


class TextOutput(Output):
    """Rows appended to a text file, each in one write, and synced to disk every few seconds.

    What they are made with stands in ``<path>.provenance.json``.
    """

    def __init__(self, path: Path, details: Details, provenance: Provenance, *, fresh: bool) -> None:
        super().__init__(path, details, provenance, fresh=fresh)
        self._synced = time.monotonic()

    def write(self, result: ImageScore) -> None:
        """Append a row."""
        with self._writing():
            self._append(self._line(result))
            if time.monotonic() - self._synced >= SYNC_SECONDS:
                os.fsync(self._descriptor)
                self._synced = time.monotonic()
        self._count(result)

    @property
    def _header(self) -> str | None:
        """The first line, if there is one that is no row."""
        return None

    @abstractmethod
    def _line(self, result: ImageScore) -> str:
        """A result as a line, without its end."""

    @abstractmethod
    def _is_whole(self, record: bytes) -> bool:
        """Whether the bytes since the last row are a row."""

    @abstractmethod
    def _parse(self, record: bytes) -> tuple[str, bool] | None:
        """The image of a row, and whether it has no score; None for the header, a `ValueError` for anything else."""

    @property
    def _companion(self) -> Path:
        return self._path.with_name(f"{self._path.name}.provenance.json")

    def _open(self) -> int:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)

    def _start(self, provenance: Provenance, *, fresh: bool) -> None:
        if fresh:
            os.ftruncate(self._descriptor, 0)
        size = os.fstat(self._descriptor).st_size
        self._end = 0
        if size > 0:
            self._join(provenance)
            self._end = self._read_rows()
            if self._end < size:
                logger.info("%s: its last row was not whole, and is removed", self._path)
                os.ftruncate(self._descriptor, self._end)
        else:
            provenance.write(self._companion)
        if self._end == 0 and self._header is not None:
            self._append(self._header)

    def _append(self, line: str) -> None:
        content = f"{line}\n".encode("utf-8", "surrogateescape")
        written = 0
        while written < len(content):
            written += os.write(self._descriptor, content[written:])
        self._end += len(content)

    def _flush(self) -> None:
        os.ftruncate(self._descriptor, self._end)  # nothing but whole rows
        os.fsync(self._descriptor)

    def _keep_last_rows(self, keys: Set[str]) -> None:
        with self._path.open("rb") as stream:
            rows = ((number, self._parse(record)) for number, record in enumerate(self._records(stream)))
            last = {row[0]: number for number, row in rows if row is not None and row[0] in keys}
        with atomic_path(self._path) as temporary, self._path.open("rb") as old, temporary.open("wb") as new:
            for number, record in enumerate(self._records(old)):
                row = self._parse(record)
                if row is None or last.get(row[0], number) == number:
                    new.write(record)

    def _read_rows(self) -> int:
        """Count the rows that are there; return where the last whole one ends."""
        end = number = 0
        try:
            with self._path.open("rb") as stream:
                for number, record in enumerate(self._records(stream), start=1):
                    row = self._parse(record)
                    if (row is None) != (number == 1 and self._header is not None):
                        raise ValueError("no header" if number == 1 else "a second header")
                    end += len(record)
                    if row is not None:
                        path, failed = row
                        self._add_stored(path, failed=failed)
        except (ValueError, csv.Error, StopIteration, RecursionError) as cause:
            raise OutputError(
                f"{self._path} was not written by this command, or changed since: {cause} (after row {number}). "
                f"{REMEDY}"
            ) from cause
        return end

    def _records(self, stream: BinaryIO) -> Iterator[bytes]:
        """The whole rows of a file; what stands after the last of them was torn by a stop, and is left out."""
        record = b""
        while line := stream.readline(MAX_ROW_BYTES):
            record += line
            if self._is_whole(record):
                yield record
                record = b""
            elif len(record) >= MAX_ROW_BYTES:  # more than a stop leaves
                raise ValueError(f"{len(record)} bytes without the end of a row")


class CsvOutput(TextOutput):
    """Plain CSV with a header."""

    @property
    def _header(self) -> str:
        return csv_header(self._details)

    def _line(self, result: ImageScore) -> str:
        return csv_row(result, self._details)

    def _is_whole(self, record: bytes) -> bool:
        # a line break inside quotes, of which there is an odd number before it, belongs to a path
        return record.endswith(b"\n") and record.count(b'"') % 2 == 0

    def _parse(self, record: bytes) -> tuple[str, bool] | None:
        names = columns(self._details)
        cells = next(csv.reader(io.StringIO(record.decode("utf-8", "surrogateescape"), newline="\n"), strict=True))
        if len(cells) != len(names):
            raise ValueError(f"{len(cells)} values for {len(names)} columns")
        return None if tuple(cells) == names else (cells[0], bool(cells[names.index("error")]))


class JsonOutput(TextOutput):
    """A JSON object a line."""

    def _line(self, result: ImageScore) -> str:
        return json_row(result, self._details)

    def _is_whole(self, record: bytes) -> bool:
        return record.endswith(b"\n")  # JSON escapes line breaks

    def _parse(self, record: bytes) -> tuple[str, bool]:
        values = json.loads(record)
        if not isinstance(values, dict) or not isinstance(values.get("path"), str):
            raise ValueError("no object with a path")
        return values["path"], values.get("error") is not None
