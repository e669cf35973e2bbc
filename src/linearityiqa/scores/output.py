"""Outputs of scores as text, which the same command resumes after a stop."""

import contextlib
import hashlib
import json
import logging
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from linearityiqa.errors import DataError, OutputError
from linearityiqa.files import atomic_path, try_lock, write_text, writing
from linearityiqa.scores.provenance import REMEDY, Provenance, common_columns
from linearityiqa.scores.rows import MAX_ROW_BYTES, csv_line, csv_row, read_scores

SYNC_SECONDS = 5.0
"""Rows of a text file are synced to disk at least this often; a loss of power costs no more."""
_RECENT = 1 << 16

logger = logging.getLogger(__name__)


class Output:
    """Rows of scores, one for each image, in a CSV file or a file of JSON lines that one process writes at a time.

    Each row is appended in one write. The block of a `with` statement ends with all rows on the disk. Arguments and
    exceptions are those of `open_output`.

    Attributes:
        total: number of rows, those of earlier runs included.
        failed: how many of them have no score.
        again: how many of them replace the row of an earlier run.
    """

    def __init__(self, path: Path, provenance: Provenance, *, fresh: bool) -> None:
        self.total = self.failed = self.again = 0
        self._path, self._columns = path, list(provenance["columns"])
        self._stored, self._claimed = PathSet(), PathSet()
        self._errors: set[str] = set()
        """Stored paths without a score."""
        self._superseded: set[str] = set()
        """Paths that get, or have got, a row below their earlier one."""
        self._started = time.time_ns()
        with self._writing():
            self._descriptor = self._open()
            try:
                unlocked = try_lock(self._descriptor) is not False
                # a process that removes earlier rows at its end puts a new file in place of the one that it has locked
                if not (unlocked and os.path.samestat(os.fstat(self._descriptor), path.stat())):
                    raise OutputError(f"another process is writing {path}. Wait for it, or stop it.")
                self._complete_until = self._started
                if self._companion.exists():
                    self._complete_until = self._companion.stat().st_mtime_ns
                self._start(provenance, fresh=fresh)
            except BaseException:
                os.close(self._descriptor)
                raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, error: object, *_: object) -> None:
        try:
            if error is None:
                with self._writing():
                    # images were looked at as they were at the start; earlier versions read this time too
                    os.utime(self._companion, ns=(self._started, self._started))
        finally:
            self.close()

    def claim(self, path: str) -> bool:
        """Return whether an image has no score yet, or its file has changed since; each path is claimed once."""
        key = self._key(path)
        if not self._claimed.add(key):
            return False
        if key not in self._stored:
            return True
        again = key in self._errors
        with contextlib.suppress(OSError, ValueError):  # gone, or an address
            # not the time of the content, which a copied file brings along
            again |= os.stat(path).st_ctime_ns > self._complete_until  # noqa: PTH116
        if again:
            self._superseded.add(key)
        return again

    def write(self, row: Mapping[str, Any]) -> None:
        """Append the columns of this output that an image's row has; what was appended before stays if that fails."""
        with self._writing():
            self._append({name: row[name] for name in self._columns})
        self._count(row)

    def close(self) -> None:
        """Bring all rows to the disk."""
        try:
            with self._writing():
                self._flush()
                if self._superseded:
                    self._keep_last_rows()
        finally:
            os.close(self._descriptor)

    def _key(self, path: str) -> str:
        """Return a path as rows hold it."""
        return path

    def _count_stored(self) -> None:
        try:
            for row in read_scores(self._path):
                if not self._stored.add(row["path"]):  # a kill came before the earlier row was removed
                    self._superseded.add(row["path"])
                self._count(row)
                (self._errors.discard if row["error"] is None else self._errors.add)(row["path"])
        except DataError as cause:
            raise OutputError(
                f"{cause} Images whose rows are removed from {self._path} are scored again; --fresh starts it over."
            ) from cause
        self.again = 0

    def _count(self, row: Mapping[str, Any]) -> None:
        key = self._key(row["path"])
        if key in self._superseded:
            self.again += 1
            self.failed -= key in self._errors
        else:
            self.total += 1
        self.failed += row["error"] is not None

    def _writing(self) -> contextlib.AbstractContextManager[None]:
        remedy = (
            "Rows written before are safe; make room, or check the permissions, and give the same command again: it "
            "resumes where it stopped."
        )
        return writing(str(self._path), remedy)

    @property
    def _json(self) -> bool:
        return self._path.suffix.lower() == ".jsonl"

    @property
    def _companion(self) -> Path:
        """The provenance file; its time is the start of the last run that was finished."""
        return self._path.with_name(f"{self._path.name}.provenance.json")

    def _open(self) -> int:
        """Make the file; return its descriptor, to be locked."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)

    def _start(self, provenance: Provenance, *, fresh: bool) -> None:
        """Resume from the rows that are there, or start over."""
        self._end, self._synced = 0, time.monotonic()
        if fresh:
            os.ftruncate(self._descriptor, 0)
        if os.fstat(self._descriptor).st_size == 0:
            write_text(self._companion, json.dumps(provenance, indent=2) + "\n")
        else:
            self._columns = common_columns(provenance, self._companion, self._path)
            self._drop_torn_row()
        if self._end == 0:
            self._append_text(self._header)
        else:
            self._check_header()
            self._count_stored()

    @property
    def _header(self) -> str:
        return "" if self._json else csv_line(self._columns) + "\n"

    def _check_header(self) -> None:
        with self._path.open(encoding="utf-8", errors="replace", newline="") as stream:
            if not self._json and stream.readline(MAX_ROW_BYTES).rstrip() != self._header.rstrip():
                raise OutputError(f"the first line of {self._path} does not name the columns of its scores. {REMEDY}")

    def _drop_torn_row(self) -> None:
        position = quotes = 0
        with self._path.open("rb") as stream:
            while line := stream.readline(MAX_ROW_BYTES):
                position += len(line)
                quotes += line.count(b'"')
                # a line break inside quotes, of which there is an odd number before it, belongs to a path
                if line.endswith(b"\n") and (self._json or quotes % 2 == 0):
                    self._end = position
                elif position - self._end >= MAX_ROW_BYTES:  # more than a stop leaves
                    raise OutputError(
                        f"{self._path} has {position - self._end} bytes without the end of a row. {REMEDY}"
                    )
        if self._end < position:
            logger.info("%s: its last row was not whole, and is removed", self._path)
            os.ftruncate(self._descriptor, self._end)

    def _line(self, row: Mapping[str, Any]) -> str:
        return (json.dumps(row) if self._json else csv_row(row)) + "\n"

    def _append(self, row: dict[str, Any]) -> None:
        self._append_text(self._line(row))
        if time.monotonic() - self._synced >= SYNC_SECONDS:
            os.fsync(self._descriptor)
            self._synced = time.monotonic()

    def _append_text(self, text: str) -> None:
        content = text.encode("utf-8", "surrogateescape")
        written = 0
        while written < len(content):
            written += os.write(self._descriptor, content[written:])
        self._end += len(content)

    def _flush(self) -> None:
        os.ftruncate(self._descriptor, self._end)  # a full disk may have torn the last row
        os.fsync(self._descriptor)

    def _keep_last_rows(self) -> None:
        """Remove all rows but the last of each superseded path."""
        paths = (row["path"] for row in read_scores(self._path))
        last = {path: number for number, path in enumerate(paths) if path in self._superseded}
        with atomic_path(self._path) as temporary, temporary.open("wb") as stream:
            stream.write(self._header.encode())
            for number, row in enumerate(read_scores(self._path)):
                if last.get(row["path"], number) == number:
                    chosen = {name: row[name] for name in self._columns}
                    stream.write(self._line(chosen).encode("utf-8", "surrogateescape"))


class PathSet:
    """Paths by 64-bit digests: 8 bytes each, and a small set of the most recent ones.

    Two of ten million paths share a digest with a probability of 3 in a million; the second would be taken for known.

    >>> seen = PathSet()
    >>> seen.add("a.jpg"), seen.add("b.jpg"), seen.add("a.jpg")
    (True, True, False)
    """

    def __init__(self) -> None:
        self._sorted: NDArray[np.uint64] = np.empty(0, dtype=np.uint64)
        self._recent: set[int] = set()

    def __contains__(self, path: str) -> bool:
        key = _digest(path)
        place = int(np.searchsorted(self._sorted, key))
        return int(key) in self._recent or key in self._sorted[place : place + 1]

    def add(self, path: str) -> bool:
        """Add a path; return whether it was new."""
        if path in self:
            return False
        self._recent.add(int(_digest(path)))
        if len(self._recent) >= _RECENT:
            recent = np.fromiter(self._recent, dtype=np.uint64, count=len(self._recent))
            self._sorted = np.sort(np.concatenate([self._sorted, recent]))
            self._recent.clear()
        return True


def _digest(path: str) -> np.uint64:
    digest = hashlib.blake2b(path.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return np.uint64(int.from_bytes(digest, "big"))
