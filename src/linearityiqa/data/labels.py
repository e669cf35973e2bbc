"""What a label file says: image names and opinion scores, checked, before the images are looked for."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from linearityiqa.errors import DataError
from linearityiqa.quality import QualityScale

MAX_ROWS = 5_000_000
"""Most rows of a label file."""
MAX_NAME = 1024
"""Longest image name, in characters."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")  # not str.isprintable: it refuses the no-break spaces of screenshots' names


@dataclass(frozen=True, eq=False)
class Labels:
    """The rows of a label file, as the readers of all databases give them.

    Attributes:
        file: the file that was read.
        names: image names as they stand there.
        mos: mean opinion scores, shape (N,), finite, higher is better.
        scale: range and direction of `mos`.
        mos_std: standard deviation of the opinions on the scale of `mos`, shape (N,), finite, >= 0, or None.
        references: what each image was made from, or None.
        splits: rows under ``"train"``, ``"val"`` and ``"test"``, or None where the file has no split.
        lines: line of each row in the file, or None for files without lines.

    Raises:
        DataError: fewer than 2 rows, an empty or overlong name, a score or deviation that is not finite, a negative
            deviation, a reference in two splits.
    """

    file: Path
    names: tuple[str, ...]
    mos: NDArray[np.float64]
    scale: QualityScale
    mos_std: NDArray[np.float64] | None = None
    references: tuple[str, ...] | None = None
    splits: Mapping[str, NDArray[np.int64]] | None = None
    lines: NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        check_count(self.file, len(self.names))
        for i, name in enumerate(self.names):
            if not name or len(name) > MAX_NAME or _CONTROL.search(name):
                raise DataError(
                    f"{self.where(i)}: {_shown(name)} is no image name: that has 1 to {MAX_NAME} characters, no "
                    "line break. Correct or drop the row."
                )
        self._check_numbers("MOS", self.mos, np.isfinite(self.mos))
        if self.mos_std is not None:
            valid = np.isfinite(self.mos_std) & (self.mos_std >= 0)
            self._check_numbers("the standard deviation of MOS", self.mos_std, valid)
        if self.references is not None and self.splits is not None:
            self._check_references(self.references, self.splits)

    def where(self, index: int) -> str:
        """The place of a row in the file, for messages."""
        return place(self.file, index, self.lines)

    def _check_numbers(self, meaning: str, values: NDArray[np.float64], valid: NDArray[np.bool_]) -> None:
        if not valid.all():
            first = int(np.argmin(valid))
            raise DataError(
                f"{self.where(first)}: {meaning} of {self.names[first]} is {values[first]:g}. Correct or drop the row."
            )

    def _check_references(self, references: tuple[str, ...], splits: Mapping[str, NDArray[np.int64]]) -> None:
        home: dict[str, str] = {}
        for split, rows in splits.items():
            for row in rows:
                first = home.setdefault(references[row], split)
                if first != split:
                    raise DataError(
                        f"{self.where(int(row))}: reference {_shown(references[row])} has images in the {first} and in "
                        f"the {split} split. Give all images of a reference the same split."
                    )


def place(file: Path, index: int, lines: NDArray[np.int64] | None = None) -> str:
    """A row of a label file, for messages: its line where the file has lines, else its number.

    >>> place(Path("labels.mat"), 0)
    'labels.mat, image 1'
    """
    return f"{file}, image {index + 1}" if lines is None else f"{file}, line {lines[index]}"


def check_count(file: Path, count: int) -> None:
    """Raise a `DataError` unless a label file's number of rows is one that can be worked with."""
    if count < 2:
        raise DataError(
            f"{file} lists {count} image{'s' if count != 1 else ''}; at least 2 are needed. Add rows to it."
        )
    if count > MAX_ROWS:
        raise DataError(f"{file} lists more than {MAX_ROWS} images. Divide it into smaller files.")


def _shown(text: str) -> str:
    return repr(text if len(text) <= 80 else text[:77] + "...")
