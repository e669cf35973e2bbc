"""The least-squares line that maps a head's output to MOS."""

import json
import math
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from linearityiqa.errors import MALFORMED, DataError
from linearityiqa.files import write_text

MAX_FILE_BYTES = 10_000
"""Bound on the file of a mapping; a real one has less than 100 bytes."""


@dataclass(frozen=True)
class LinearMapping:
    """MOS = slope * score + intercept (Li et al., ACM MM 2020, section 3.3), never clipped.

    Norm-in-Norm and its relatives make scores linear in MOS, but leave their scale open: fit this line on the training
    set once the network is trained, and keep it with the weights.

    Raises:
        DataError: the slope or the intercept is no finite number.

    >>> mapping = LinearMapping.fit([0.0, 1.0, 2.0], [10.0, 30.0, 50.0])
    >>> bool(np.isclose(mapping(3.0), 70.0))
    True
    """

    slope: float = 1.0
    intercept: float = 0.0

    def __post_init__(self) -> None:
        try:
            finite = math.isfinite(self.slope) and math.isfinite(self.intercept)
        except (TypeError, ArithmeticError):  # a text, or an integer beyond any float
            finite = False
        if not finite:
            raise DataError(f"slope and intercept must be finite numbers, got {self.slope!r} and {self.intercept!r}")

    @classmethod
    def fit(cls, scores: ArrayLike, mos: ArrayLike) -> "LinearMapping":
        """Fit MOS to scores by least squares; for constant scores, the line of least norm predicts the mean MOS.

        Args:
            scores: predictions of one head, shape (N,) or (N, 1), any scale; tensors of torch too, also of a GPU.
            mos: subjective scores, of as many values.

        Raises:
            DataError: fewer than 2 scores, unequal lengths, or a value that is not finite.
        """
        x, y = _column(scores), _column(mos)
        if x.ndim != 1 or x.shape != y.shape or len(x) < 2:
            raise DataError(f"a mapping needs two equally long lists of at least 2 scores, got {x.shape} and {y.shape}")
        if not (np.isfinite(x).all() and np.isfinite(y).all()):
            raise DataError("a mapping cannot be fitted to scores that are not finite")
        unit, unit_of_mos = magnitude(x), magnitude(y)
        design = np.stack([x / unit, np.ones_like(x)], axis=1)
        slope, intercept = np.linalg.lstsq(design, y / unit_of_mos, rcond=None)[0]
        return cls(float(slope) / unit * unit_of_mos, float(intercept) * unit_of_mos)

    def __call__(self, scores: ArrayLike) -> NDArray[np.float64]:
        """Map scores to MOS, in the shape given."""
        return self.slope * _numbers(scores) + self.intercept

    def then(self, other: "LinearMapping") -> "LinearMapping":
        """Return the line that applies this one first, then the other.

        >>> LinearMapping(2, 1).then(LinearMapping(10, 5))(3.0).item()
        75.0
        """
        return LinearMapping(other.slope * self.slope, other.slope * self.intercept + other.intercept)

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> "LinearMapping":
        """Return the line with the slope and the intercept of a dictionary; DataError unless both are finite."""
        return cls(slope=values["slope"], intercept=values["intercept"])

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the line as JSON, ``{"slope": ..., "intercept": ...}``, atomically.

        Raises:
            OSError: the folder cannot be written, or the disk is full.
        """
        write_text(Path(path), json.dumps(asdict(self)) + "\n")

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "LinearMapping":
        """Read a line that `save` wrote.

        Raises:
            DataError: the file is missing, or holds no line.
        """
        try:
            with Path(path).open("rb") as stream:
                return cls.of(json.loads(stream.read(MAX_FILE_BYTES)))
        except OSError as cause:
            raise DataError(f"cannot read the mapping {path}: {cause.strerror}. Check the path.") from cause
        except (DataError, *MALFORMED) as cause:
            raise DataError(f"{path} holds no mapping ({cause}). Write it with LinearMapping.save.") from cause


def magnitude(values: NDArray[np.float64]) -> float:
    """Return the power of two just above the largest absolute value: divided by it, values lose no bit.

    >>> magnitude(np.array([-5.0, 3.0])), magnitude(np.zeros(2))
    (8.0, 1.0)
    """
    return math.ldexp(1.0, min(math.frexp(float(np.abs(values).max()))[1], 1023))


def _numbers(values: Any) -> NDArray[np.float64]:
    if hasattr(values, "detach"):  # a tensor of torch, which this module does without
        values = values.detach().double().cpu()
    return np.asarray(values, dtype=np.float64)


def _column(values: ArrayLike) -> NDArray[np.float64]:
    numbers = _numbers(values)
    return numbers[:, 0] if numbers.ndim == 2 and numbers.shape[1] == 1 else numbers
