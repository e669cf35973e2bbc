"""Labels of a label file (image names and opinion scores), and its faults, which are raised or collected."""

import logging
import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import InitVar, dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple, NoReturn

import numpy as np
from numpy.typing import NDArray

from linearityiqa.errors import DataError
from linearityiqa.quality import QualityScale, known_deviations

FaultKind = Literal["row", "number", "name", "listed-twice", "split", "reference", "straddling", "scores"]
"""
row: a row of the wrong length; number: a value that is no finite number, or a negative deviation; name: what cannot be
an image name; listed-twice: an image with two rows; split: an unknown word; reference: an empty one; straddling: a
reference in two splits; scores: scores that are all the same.
"""


class Fault(NamedTuple):
    """A fault of a label file, with place and remedy in its message, and the names of the images concerned."""

    kind: FaultKind
    message: str
    images: tuple[str, ...] = ()


OnFault = Callable[[Fault], None]
"""Receives the faults that a reader finds: `refuse` raises each, the `append` of a list collects them."""


def refuse(fault: Fault) -> NoReturn:
    """Raise the fault as a `DataError`."""
    raise DataError(fault.message)


_log = logging.getLogger(__name__)

MAX_ROWS = 5_000_000
"""Most rows of a label file."""
MAX_NAME = 1024
"""Longest image name, in characters."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")  # not str.isprintable: it refuses the no-break spaces of screenshots' names


@dataclass(frozen=True, eq=False)
class Labels:
    """The rows of a label file, as the readers of all databases return them.

    Attributes:
        file: the file that was read.
        names: image names as in the file.
        mos: mean opinion scores, shape (N,), finite, higher is better.
        scale: range and direction of `mos`.
        mos_std: standard deviation of the opinions on the scale of `mos`, shape (N,), finite, >= 0, or None;
            only 0 and nan become None.
        references: the original of each image, or None.
        splits: rows under ``"train"``, ``"val"`` and ``"test"``, or None where the file has no split.
        lines: line of each row in the file, or None for files without lines.
        others: further columns as text, such as the distortion of each image and its level.
        on_fault: called with each row that violates this description; `refuse` raises.
        nan_reported: whether the reader has reported every NaN already.

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
    others: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    on_fault: InitVar[OnFault] = refuse
    nan_reported: InitVar[bool] = False

    def __post_init__(self, on_fault: OnFault, nan_reported: bool) -> None:
        check_count(self.file, len(self.names))
        for i, name in enumerate(self.names):
            if not is_name(name):
                message = (
                    f"{self.where(i)}: {_shown(name)} is no image name: that has 1 to {MAX_NAME} characters, no "
                    "line break. Correct or drop the row."
                )
                on_fault(Fault("name", message, (name,)))
        self._check_numbers("MOS", self.mos, np.isfinite(self.mos) | (nan_reported & np.isnan(self.mos)), on_fault)
        if self.mos_std is not None and known_deviations(self.mos_std) is None:
            object.__setattr__(self, "mos_std", None)
            _log.info("%s: every standard deviation is 0 or none, so they are not known", self.file)
        if self.mos_std is not None:
            valid = (np.isfinite(self.mos_std) & (self.mos_std >= 0)) | (nan_reported & np.isnan(self.mos_std))
            self._check_numbers("the standard deviation of MOS", self.mos_std, valid, on_fault)
        if self.references is not None and self.splits is not None:
            self._check_references(self.references, self.splits, on_fault)

    def where(self, index: int) -> str:
        """Return the file and line of a row, for messages."""
        return place(self.file, index, self.lines)

    def _check_numbers(
        self, meaning: str, values: NDArray[np.float64], valid: NDArray[np.bool_], on_fault: OnFault
    ) -> None:
        for row in np.flatnonzero(~valid):
            name = self.names[row]
            message = f"{self.where(int(row))}: {meaning} of {name} is {values[row]:g}. Correct or drop the row."
            on_fault(Fault("number", message, (name,)))

    def _check_references(
        self, references: tuple[str, ...], splits: Mapping[str, NDArray[np.int64]], on_fault: OnFault
    ) -> None:
        home: dict[str, str] = {}
        for split, rows in splits.items():
            for row in rows:
                first = home.setdefault(references[row], split)
                if first != split and references[row]:
                    message = (
                        f"{self.where(int(row))}: reference {_shown(references[row])} has images in the {first} and in "
                        f"the {split} split. Give all images of a reference the same split."
                    )
                    on_fault(Fault("straddling", message, (self.names[row],)))


def composed(name: str) -> str:
    """Return a name with its accents composed: archives from macOS hold them as separate characters."""
    return name if name.isascii() else unicodedata.normalize("NFC", name)


def folded(name: str) -> str:
    """Return a name for comparison across file systems: accents composed, in lower case."""
    return composed(name.lower())


def is_name(name: str) -> bool:
    """Return whether a text can be an image's name."""
    return 0 < len(name) <= MAX_NAME and not _CONTROL.search(name)


def place(file: Path, index: int, lines: NDArray[np.int64] | None = None) -> str:
    """Return file and row for messages: the line where the file has lines, else the number of the image.

    >>> place(Path("labels.mat"), 0)
    'labels.mat, image 1'
    """
    return f"{file}, image {index + 1}" if lines is None else f"{file}, line {lines[index]}"


def check_count(file: Path, count: int) -> None:
    """Raise `DataError` unless a label file has between 2 and `MAX_ROWS` rows."""
    if count < 2:
        raise DataError(
            f"{file} lists {count} image{'s' if count != 1 else ''}; at least 2 are needed. Add rows to it."
        )
    if count > MAX_ROWS:
        raise DataError(f"{file} lists more than {MAX_ROWS} images. Divide it into smaller files.")


def _shown(text: str) -> str:
    return repr(text if len(text) <= 80 else text[:77] + "...")
