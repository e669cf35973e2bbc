"""The least-squares line that maps a head's output to MOS."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from linearityiqa.errors import DataError


@dataclass(frozen=True)
class LinearMapping:
    """MOS = slope * score + intercept (Li et al., ACM MM 2020, section 3.3), never clipped.

    >>> mapping = LinearMapping.fit([0.0, 1.0, 2.0], [10.0, 30.0, 50.0])
    >>> bool(np.isclose(mapping(3.0), 70.0))
    True
    """

    slope: float = 1.0
    intercept: float = 0.0

    @classmethod
    def fit(cls, scores: ArrayLike, mos: ArrayLike) -> "LinearMapping":
        """Least squares of MOS on score.

        Args:
            scores: predictions of one head, shape (N,), any scale.
            mos: subjective scores, shape (N,).

        Returns:
            The fitted line; for constant scores the line of least norm, which predicts the mean MOS.

        Raises:
            DataError: fewer than 2 scores, unequal lengths, or a value that is not finite.
        """
        x, y = np.asarray(scores, dtype=np.float64), np.asarray(mos, dtype=np.float64)
        if x.ndim != 1 or x.shape != y.shape or len(x) < 2:
            raise DataError(f"a mapping needs two equally long lists of at least 2 scores, got {x.shape} and {y.shape}")
        if not (np.isfinite(x).all() and np.isfinite(y).all()):
            raise DataError("a mapping cannot be fitted to scores that are not finite")
        design = np.stack([x, np.ones_like(x)], axis=1)
        slope, intercept = np.linalg.lstsq(design, y, rcond=None)[0]
        return cls(float(slope), float(intercept))

    def __call__(self, scores: ArrayLike) -> NDArray[np.float64]:
        """Scores mapped to MOS, in the shape given."""
        return self.slope * np.asarray(scores, dtype=np.float64) + self.intercept

    def then(self, other: "LinearMapping") -> "LinearMapping":
        """The line that maps by this one first, and what comes out by the other.

        >>> LinearMapping(2, 1).then(LinearMapping(10, 5))(3.0).item()
        75.0
        """
        return LinearMapping(other.slope * self.slope, other.slope * self.intercept + other.intercept)
