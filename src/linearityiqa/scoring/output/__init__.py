"""Durable outputs of scores, which the same command resumes after a stop."""

import contextlib
import csv
import hashlib
import json
import math
import os
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Set
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from linearityiqa.errors import OutputError
from linearityiqa.extras import require
from linearityiqa.files import try_lock, writing
from linearityiqa.scoring.output.provenance import Provenance
from linearityiqa.scoring.results import Details, ImageScore

_RECENT = 1 << 16
_NUMBERS = ("score", "stage3", "stage4", "uncertainty")
_TEXTS = ("path", "quality", "error", "map_file")
_TRUTH = {"true": True, "false": False}


@contextlib.contextmanager
def open_output(path: Path, provenance: Provenance, details: Details, *, fresh: bool = False) -> Iterator["Output"]:
    """Open an output to resume it, or to start it.

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
    from linearityiqa.scoring.output.parquet import ParquetOutput
    from linearityiqa.scoring.output.text import CsvOutput, JsonOutput

    kind = {".csv": CsvOutput, ".jsonl": JsonOutput}.get(path.suffix.lower(), ParquetOutput)
    with contextlib.closing(kind(path, details, provenance, fresh=fresh)) as output:
        yield output
        output.finish()


def read_scores(output: Path) -> Iterator[ImageScore]:
    """Yield the rows of a complete output in their order.

    Args:
        output: a file (.csv, .jsonl), else a folder of Parquet files.

    Raises:
        OutputError: it was changed since it was written, or the disk fails.
    """
    try:
        match output.suffix.lower():
            case ".csv":
                with output.open(encoding="utf-8", errors="surrogateescape", newline="") as stream:
                    yield from map(_of_cells, csv.DictReader(stream, strict=True))
            case ".jsonl":
                with output.open(encoding="ascii") as stream:
                    yield from (_of_values(json.loads(line)) for line in stream)
            case _:
                parquet = require("pyarrow.parquet", "parquet")
                for part in sorted(output.glob("part-*.parquet")):
                    with parquet.ParquetFile(part) as file:
                        for batch in file.iter_batches(batch_size=1000):
                            yield from map(_of_values, batch.to_pylist())
    except (OSError, ValueError, TypeError, LookupError, AttributeError, RecursionError, csv.Error) as cause:
        raise OutputError(f"cannot read the scores in {output}: {cause}. Start it over with --fresh.") from cause


def _of_cells(row: Mapping[str, str]) -> ImageScore:
    values: dict[str, Any] = {name: cell or None for name, cell in row.items()}
    notes = row["notes"].split("; ") if row["notes"] else []
    return _of_values(values | {"on_scale": _TRUTH.get(row["on_scale"]), "notes": notes})


def _of_values(values: Mapping[str, Any]) -> ImageScore:
    numbers: dict[str, Any] = {name: float(values[name]) for name in _NUMBERS if values.get(name) is not None}
    texts: dict[str, Any] = {name: str(values[name]) for name in _TEXTS if values.get(name) is not None}
    if not all(map(math.isfinite, numbers.values())):
        raise ValueError(f"a score of {values['path']} is no number")
    return ImageScore(**texts, **numbers, on_scale=values.get("on_scale"), notes=tuple(map(str, values["notes"])))


class Output(ABC):
    """Rows of scores, one for each image, in a file or folder that one process writes at a time.

    Args:
        path: the file or folder.
        details: which columns there are.
        provenance: what the rows are made with; stands in a file beside them.
        fresh: start over.

    Attributes:
        total: number of rows, those of earlier runs included.
        failed: how many of them have no score.
        again: how many of them replace the row of an earlier run.

    Raises:
        OutputError: as `open_output`.
    """

    def __init__(self, path: Path, details: Details, provenance: Provenance, *, fresh: bool) -> None:
        self.total = self.failed = self.again = 0
        self._path, self._details = path, details
        self._stored, self._taken = PathSet(), PathSet()
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
                beside = self._companion
                self._complete_until = beside.stat().st_mtime_ns if beside.exists() else self._started
                self._start(provenance, fresh=fresh)
            except BaseException:
                os.close(self._descriptor)
                raise

    def take(self, path: str) -> bool:
        """Whether an image has no score yet, or its file has changed since; each path is taken once."""
        key = self._key(path)
        if not self._taken.add(key):
            return False
        if key not in self._stored:
            return True
        if key in self._errors or self._has_changed(path):
            self._superseded.add(key)
            return True
        return False

    @abstractmethod
    def write(self, result: ImageScore) -> None:
        """Append the row of an image.

        Raises:
            OutputError: the disk is full or fails; what was appended before stays.
        """

    def close(self) -> None:
        """Bring all rows to the disk.

        Raises:
            OutputError: the disk is full or fails.
        """
        try:
            with self._writing():
                self._flush()
                if self._superseded:
                    self._keep_last_rows(self._superseded)
        finally:
            os.close(self._descriptor)

    def finish(self) -> None:
        """Note that the images were looked at as they were when this run started."""
        with self._writing():
            # the time of the file, and nothing in it: earlier versions read it too
            os.utime(self._companion, ns=(self._started, self._started))

    @property
    @abstractmethod
    def _companion(self) -> Path:
        """The file that says what the rows were made with; its time is the start of the last run that was finished."""

    def _key(self, path: str) -> str:
        """The path as rows hold it."""
        return path

    def _has_changed(self, path: str) -> bool:
        """Whether a file has changed since the last run that was finished had started."""
        try:
            # not the time of the content, which a copied file brings along
            return os.stat(path).st_ctime_ns > self._complete_until  # noqa: PTH116
        except (OSError, ValueError):  # gone, or an address
            return False

    @abstractmethod
    def _open(self) -> int:
        """Make the file or folder; return its descriptor, to be locked."""

    @abstractmethod
    def _start(self, provenance: Provenance, *, fresh: bool) -> None:
        """Read the rows that are there, once their provenance is known to agree; or start over."""

    @abstractmethod
    def _flush(self) -> None:
        """Bring all rows to the disk."""

    @abstractmethod
    def _keep_last_rows(self, keys: Set[str]) -> None:
        """Remove all rows but the last of each of these paths."""

    def _join(self, provenance: Provenance) -> None:
        """Check that rows may join those that are there, by the provenance beside them, and keep to their columns."""
        stored = provenance.require_same(self._companion, self._path)
        self._details = self._details._replace(quality="quality" in stored.columns)

    def _add_stored(self, key: str, *, failed: bool) -> None:
        """Count a row of an earlier run."""
        if self._stored.add(key):
            self.total += 1
        else:  # a kill came before the earlier row was removed
            self._superseded.add(key)
            self.failed -= key in self._errors
        self.failed += failed
        (self._errors.add if failed else self._errors.discard)(key)

    def _count(self, result: ImageScore) -> None:
        """Count a row of this run."""
        key = self._key(result.path)
        if key in self._superseded:
            self.again += 1
            self.failed -= key in self._errors
        else:
            self.total += 1
        self.failed += result.failed

    def _writing(self) -> contextlib.AbstractContextManager[None]:
        remedy = (
            "Rows written before are safe; make room, or check the permissions, and give the same command again: it "
            "resumes where it stopped."
        )
        return writing(str(self._path), remedy)


class PathSet:
    """Paths by 64-bit digests: 8 bytes each, beside a small set of the most recent ones.

    Two of ten million paths share a digest with a probability of 3 in a million; the second would be taken for known.

    >>> seen = PathSet()
    >>> seen.add("a.jpg"), seen.add("b.jpg"), seen.add("a.jpg")
    (True, True, False)
    """

    def __init__(self) -> None:
        self._sorted: NDArray[np.uint64] = np.empty(0, dtype=np.uint64)
        self._recent: set[int] = set()

    def __len__(self) -> int:
        return len(self._sorted) + len(self._recent)

    def __contains__(self, path: str) -> bool:
        return self._has(_digest(path))

    def _has(self, key: int) -> bool:
        place = int(np.searchsorted(self._sorted, np.uint64(key)))
        return key in self._recent or (place < len(self._sorted) and int(self._sorted[place]) == key)

    def add(self, path: str) -> bool:
        """Add a path; return whether it was new."""
        key = _digest(path)
        if self._has(key):
            return False
        self._recent.add(key)
        if len(self._recent) >= _RECENT:
            recent = np.fromiter(self._recent, dtype=np.uint64, count=len(self._recent))
            self._sorted = np.sort(np.concatenate([self._sorted, recent]))
            self._recent.clear()
        return True


def _digest(path: str) -> int:
    return int.from_bytes(hashlib.blake2b(path.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")
