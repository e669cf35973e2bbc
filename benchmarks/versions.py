"""Versions of one photograph, degraded step by step: does a method put them in order?"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from linearityiqa.data.synthetic.distortions import (
    Distortion,
    darkening,
    gaussian_blur,
    gaussian_noise,
    jpeg,
    low_contrast,
    motion_blur,
    resample,
)
from pictures import Photographs, Picture, ScoreFile

EVEN = (0.2, 0.4, 0.6, 0.8, 1.0)
DEGRADATIONS: dict[str, tuple[Distortion, tuple[float, ...]]] = {
    "Gaussian blur": (gaussian_blur, EVEN),
    "motion blur": (motion_blur, EVEN),
    "noise": (gaussian_noise, EVEN),
    "JPEG": (jpeg, (0.3, 0.45, 0.6, 0.75, 0.9)),  # quality 56, 26, 12, 6 and 3; at 0.2 nobody sees it
    "down-up sampling": (resample, EVEN),
    "darkening": (darkening, EVEN),
    "contrast loss": (low_contrast, EVEN),
}
"""What is done to a photograph, and its five severities."""


@dataclass(frozen=True)
class Order:
    """How a method ordered the versions of photographs by one degradation.

    Attributes:
        photographs: whose versions were compared.
        pairs: of two levels of one photograph, the clean one counted as a level.
        in_order: share of the pairs in which the less degraded version has the higher score.
        neighbours: the same share of the pairs of successive levels alone.
        means: mean score of each level, the clean photographs first.
    """

    photographs: int
    pairs: int
    in_order: float
    neighbours: float
    means: list[float]

    @classmethod
    def of(cls, scores: NDArray[np.float64]) -> "Order":
        """Compare every pair.

        Args:
            scores: shape (photographs, levels), the clean version first, higher is better; a photograph with a score
                that is nan is left out.

        >>> Order.of(np.array([[3.0, 2.0, 1.0], [3.0, 1.0, 2.0]])).in_order
        0.8333333333333334
        """
        scores = scores[np.isfinite(scores).all(axis=1)]
        better, worse = np.triu_indices(scores.shape[1], 1)
        right = scores[:, better] > scores[:, worse]
        return cls(
            photographs=len(scores),
            pairs=right.size,
            in_order=float(right.mean()) if right.size else float("nan"),
            neighbours=float(right[:, worse == better + 1].mean()) if right.size else float("nan"),
            means=scores.mean(axis=0).round(2).tolist() if right.size else [],
        )


def versions(photographs: Photographs, names: Sequence[str]) -> list[Picture]:
    """The clean photographs and all their versions."""
    found = []
    for name in names:
        found.append(Picture.made(clean_key(name), partial(photographs.decoded, name)))
        for degradation, (_, severities) in DEGRADATIONS.items():
            for severity in severities:
                make = partial(_version, photographs, name, degradation, severity)
                found.append(Picture.made(key_of(name, degradation, severity), make))
    return found


def order_by_degradation(scores: ScoreFile, names: Sequence[str], sign: int = 1) -> dict[str, dict[str, object]]:
    """The order of the versions, by degradation; `sign` is -1 for a method whose lower scores are better."""
    found = {}
    for degradation, (_, severities) in DEGRADATIONS.items():
        keys = [[clean_key(name), *(key_of(name, degradation, each) for each in severities)] for name in names]
        found[degradation] = asdict(Order.of(sign * np.array([scores.scores(row) for row in keys])))
    return found


def clean_key(name: str) -> str:
    """Name of the photograph's pixels as they are."""
    return f"{name}|clean"


def key_of(name: str, degradation: str, severity: float) -> str:
    """Name of a version."""
    return f"{name}|{degradation} {severity}"


def degraded(image: Image.Image, degradation: str, severity: float, seed: int = 0) -> Image.Image:
    """One version; the seed decides the grain of noise and the direction of a motion, alike at every severity."""
    degrade, _ = DEGRADATIONS[degradation]
    return Image.fromarray(degrade(np.asarray(image), severity, np.random.default_rng(seed)))


def _version(photographs: Photographs, name: str, degradation: str, severity: float) -> Image.Image:
    return degraded(photographs.decoded(name), degradation, severity, seed=photographs.names.index(name))
