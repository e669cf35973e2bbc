"""What every output of scores has in common: which images have a row, and how many have no score."""

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path

from linearityiqa.errors import OutputError
from linearityiqa.scoring.output.paths_seen import PathSet
from linearityiqa.scoring.results import ImageScore


class Output(ABC):
    """Rows of scores, one for each image.

    Attributes:
        total: number of rows, those of earlier runs included.
        failed: how many of them have no score.
    """

    def __init__(self) -> None:
        self.total = 0
        self.failed = 0
        self._seen = PathSet()

    def take(self, path: str) -> bool:
        """Whether an image has no row yet; each path is taken once."""
        return self._seen.add(path)

    @abstractmethod
    def write(self, result: ImageScore) -> None:
        """Append the row of an image.

        Raises:
            OutputError: the disk is full or fails; what was appended before stays.
        """

    @abstractmethod
    def close(self) -> None:
        """Bring all rows to the disk.

        Raises:
            OutputError: the disk is full or fails.
        """

    def _count(self, *, failed: bool) -> None:
        self.total += 1
        self.failed += failed


@contextlib.contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn what the system says about the output `path` into a sentence."""
    try:
        yield
    except OSError as cause:
        raise OutputError(
            f"cannot write {path}: {cause.strerror or cause}. Rows written before are safe; make room, or check the "
            "permissions, and give the same command again: it goes on where it stopped."
        ) from cause
