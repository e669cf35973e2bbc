"""Scores appended to a CSV file or a file of JSON lines."""

import csv
import io
import json
import logging
import os
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from linearityiqa.errors import OutputError
from linearityiqa.files import try_lock
from linearityiqa.scoring.output.base import Output, translate_errors
from linearityiqa.scoring.output.provenance import Provenance
from linearityiqa.scoring.results import Details, ImageScore, columns, csv_header, csv_row, json_row

SYNC_SECONDS = 5.0
"""Rows are brought to the disk itself at least this often; a loss of power costs no more."""
MAX_ROW_BYTES = 1 << 20

logger = logging.getLogger(__name__)


class Row(NamedTuple):
    """What going on needs to know of a row: the image, and whether it has no score."""

    path: str
    failed: bool


class Form(ABC):
    """How rows stand in a file."""

    header: str | None

    @abstractmethod
    def line(self, result: ImageScore) -> str:
        """A result as a line, without its end."""

    @abstractmethod
    def is_whole(self, record: bytes) -> bool:
        """Whether the bytes since the last row are a row."""

    @abstractmethod
    def parse(self, record: bytes) -> Row | None:
        """A row, or None for the header.

        Raises:
            ValueError: it is neither.
        """


class CsvForm(Form):
    """Plain CSV with a header."""

    def __init__(self, details: Details) -> None:
        self._details = details
        self._columns = columns(details)
        self._error = self._columns.index("error")
        self.header = csv_header(details)

    def line(self, result: ImageScore) -> str:
        """A result as a line of CSV."""
        return csv_row(result, self._details)

    def is_whole(self, record: bytes) -> bool:
        """A line break inside quotes, of which there is an odd number before it, belongs to a path."""
        return record.endswith(b"\n") and record.count(b'"') % 2 == 0

    def parse(self, record: bytes) -> Row | None:
        """A row by its path and its error."""
        text = record.decode("utf-8", "surrogateescape")
        cells = next(csv.reader(io.StringIO(text, newline="\n"), strict=True))
        if len(cells) != len(self._columns):
            raise ValueError(f"{len(cells)} values for {len(self._columns)} columns")
        return None if tuple(cells) == self._columns else Row(cells[0], bool(cells[self._error]))


class JsonForm(Form):
    """A JSON object a line."""

    header = None

    def __init__(self, details: Details) -> None:
        self._details = details

    def line(self, result: ImageScore) -> str:
        """A result as a JSON object."""
        return json_row(result, self._details)

    def is_whole(self, record: bytes) -> bool:
        """JSON escapes line breaks."""
        return record.endswith(b"\n")

    def parse(self, record: bytes) -> Row | None:
        """A row by its path and its error."""
        values = json.loads(record)
        if not isinstance(values, dict) or not isinstance(values.get("path"), str):
            raise ValueError("no object with a path")
        return Row(values["path"], values.get("error") is not None)


class TextOutput(Output):
    """Rows appended to a text file, each in one write, and synced to disk every few seconds.

    Args:
        path: the file; what it was made with stands in ``<path>.provenance.json``.
        form: CSV or JSON lines.
        provenance: what the rows are made with.
        fresh: start over.

    Raises:
        OutputError: as `open_output`.
    """

    def __init__(self, path: Path, form: Form, provenance: Provenance, *, fresh: bool) -> None:
        super().__init__()
        self._path = path
        self._form = form
        with translate_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
        try:
            with translate_errors(path):
                self._end = self._start(provenance, fresh=fresh)
        except BaseException:
            os.close(self._descriptor)
            raise
        self._synced = time.monotonic()

    def write(self, result: ImageScore) -> None:
        """Append a row."""
        with translate_errors(self._path):
            self._append(self._form.line(result))
            if time.monotonic() - self._synced >= SYNC_SECONDS:
                os.fsync(self._descriptor)
                self._synced = time.monotonic()
        self._count(failed=result.failed)

    def close(self) -> None:
        """Bring all rows to the disk, and nothing but whole rows."""
        try:
            with translate_errors(self._path):
                os.ftruncate(self._descriptor, self._end)
                os.fsync(self._descriptor)
        finally:
            os.close(self._descriptor)

    def _start(self, provenance: Provenance, *, fresh: bool) -> int:
        """Check or start the file; where its last whole row ends."""
        if try_lock(self._descriptor) is False:
            raise OutputError(f"another process is writing {self._path}. Wait for it, or stop it.")
        if fresh:
            os.ftruncate(self._descriptor, 0)
        companion = self._path.with_name(f"{self._path.name}.provenance.json")
        size = os.fstat(self._descriptor).st_size
        if size > 0:
            provenance.require_same(Provenance.read(companion, self._path), self._path)
            self._end = self._read_rows()
            if self._end < size:
                logger.info("%s: its last row was not whole, and is removed", self._path)
                os.ftruncate(self._descriptor, self._end)
        else:
            provenance.write(companion)
            self._end = 0
        if self._end == 0 and self._form.header is not None:
            self._append(self._form.header)
        return self._end

    def _append(self, line: str) -> None:
        content = f"{line}\n".encode("utf-8", "surrogateescape")
        written = 0
        while written < len(content):
            written += os.write(self._descriptor, content[written:])
        self._end += len(content)

    def _read_rows(self) -> int:
        """Note the rows that are there; where the last whole one ends."""
        end = number = 0
        try:
            with self._path.open("rb") as stream:
                for number, record in enumerate(_records(stream, self._form), start=1):
                    row = self._form.parse(record)
                    if (row is None) != (number == 1 and self._form.header is not None):
                        raise ValueError("no header" if number == 1 else "a second header")
                    end += len(record)
                    if row is not None:
                        self._seen.add(row.path)
                        self._count(failed=row.failed)
        except (ValueError, csv.Error, StopIteration, RecursionError) as cause:
            raise OutputError(
                f"{self._path} was not written by this command, or changed since: {cause} (after row {number}). Choose "
                "another --output, or start this one over with --fresh."
            ) from cause
        return end


def _records(stream: BinaryIO, form: Form) -> Iterator[bytes]:
    """The whole rows of a file; what stands after the last of them was torn by a stop, and is left out."""
    record = b""
    while line := stream.readline(MAX_ROW_BYTES):
        record += line
        if form.is_whole(record):
            yield record
            record = b""
        elif len(record) >= MAX_ROW_BYTES:  # more than a stop leaves
            raise ValueError(f"{len(record)} bytes without the end of a row")
