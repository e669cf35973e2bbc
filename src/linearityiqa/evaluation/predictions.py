"""What a network said of a set of images, beside what people said."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from linearityiqa.errors import DataError
from linearityiqa.mapping import LinearMapping
from linearityiqa.quality import QualityScores


@dataclass(frozen=True, eq=False)
class Predictions:
    """Raw outputs of the three heads and the opinion scores of the same images, in the order of the table.

    Attributes:
        names: image names as in the labels.
        mos: mean opinion scores, shape (N,).
        mos_std: their standard deviations on the scale of `mos`, shape (N,), or None where not published.
        scores: raw outputs of each head, shape (N,), not mapped to any scale.
    """

    names: tuple[str, ...]
    mos: NDArray[np.float64]
    mos_std: NDArray[np.float64] | None
    scores: QualityScores[NDArray[np.float64]]

    def __post_init__(self) -> None:
        columns = {"mos": self.mos, "mos_std": self.mos_std, **self.scores._asdict()}
        for column, values in columns.items():
            if values is not None and values.shape != (len(self.names),):
                raise DataError(f"predictions of {len(self.names)} images have {column} of shape {values.shape}")

    def __len__(self) -> int:
        return len(self.names)

    def fit_mapping(self) -> QualityScores[LinearMapping]:
        """The least-squares line from each head's output to MOS.

        Raises:
            DataError: fewer than 2 images, or a value that is not finite.
        """
        return self.scores.map(lambda scores: LinearMapping.fit(scores, self.mos))

    def mapped(self, mapping: QualityScores[LinearMapping]) -> QualityScores[NDArray[np.float64]]:
        """Each head's scores on the scale of the MOS, never clipped."""
        return QualityScores(*(line(scores) for line, scores in zip(mapping, self.scores, strict=True)))
