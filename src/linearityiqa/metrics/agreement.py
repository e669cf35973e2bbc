"""How well predictions agree with mean opinion scores (MOS): every figure of one method on one set of images."""

import math
from dataclasses import dataclass

from numpy.typing import ArrayLike

from linearityiqa.metrics.correlation import checked, krocc, outlier_ratio, plcc, rmse, srocc


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """Agreement of predictions with MOS.

    Attributes:
        n: number of images.
        srocc: Spearman rank-order correlation; nan where predictions or MOS are constant, as for the next two.
        plcc: Pearson linear correlation.
        krocc: Kendall rank-order correlation (tau-b).
        rmse: root mean square error, in units of the MOS.
        outlier_ratio: share of predictions farther than two standard deviations from the MOS, or None where the
            standard deviations are not known.
    """

    n: int
    srocc: float
    plcc: float
    krocc: float
    rmse: float
    outlier_ratio: float | None = None

    def as_dict(self) -> dict[str, float | None]:
        """The figures by the names that results.json and tables give them; None where there is no finite value."""
        figures = {
            "SROCC": self.srocc,
            "PLCC": self.plcc,
            "KROCC": self.krocc,
            "RMSE": self.rmse,
            "outlier_ratio": self.outlier_ratio,
        }
        return {name: value if value is not None and math.isfinite(value) else None for name, value in figures.items()}


def agreement(predictions: ArrayLike, mos: ArrayLike, std: ArrayLike | None = None) -> Agreement:
    """Every figure of agreement between predictions and MOS.

    Args:
        predictions: predicted quality, mapped to the scale of `mos`, shape (N,).
        mos: subjective scores, shape (N,).
        std: standard deviation of each image's ratings, on the scale of `mos`, shape (N,); without it there is no
            outlier ratio.

    Raises:
        DataError: fewer than 2 values, unequal lengths, or a value that is not finite.
        MissingExtraError: SciPy is not installed.

    >>> result = agreement([12.0, 20.0, 31.0], [10.0, 20.0, 30.0])
    >>> result.srocc == 1 and result.outlier_ratio is None
    True
    """
    x, y = checked(predictions=predictions, mos=mos)
    return Agreement(
        n=len(x),
        srocc=srocc(x, y),
        plcc=plcc(x, y),
        krocc=krocc(x, y),
        rmse=rmse(x, y),
        outlier_ratio=None if std is None else outlier_ratio(x, y, std),
    )
