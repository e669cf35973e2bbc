"""Versions of one photograph, degraded step by step: does a method put them in order?"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pillow_heif
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from skimage.restoration import denoise_tv_chambolle

from linearityiqa.data.synthetic.distortions import (
    ByteImage,
    Distortion,
    between,
    darkening,
    gaussian_blur,
    gaussian_noise,
    jpeg,
    jpeg2000,
    low_contrast,
    motion_blur,
    recode,
    resample,
    to_bytes,
)
from pictures import Photographs, Picture, ScoreFile

pillow_heif.register_heif_opener()


def heic(image: ByteImage, severity: float, _: np.random.Generator) -> ByteImage:
    """HEVC in a HEIC file, quality 100 down to 0."""
    return recode(image, format="HEIF", quality=round(100 * (1 - severity)))


def avif(image: ByteImage, severity: float, _: np.random.Generator) -> ByteImage:
    """AV1 in an AVIF file, quality 100 down to 0."""
    return recode(image, format="AVIF", quality=round(100 * (1 - severity)), speed=8)


def webp(image: ByteImage, severity: float, _: np.random.Generator) -> ByteImage:
    """WebP, quality 100 down to 0."""
    return recode(image, format="WEBP", quality=round(100 * (1 - severity)))


def oversharpened(image: ByteImage, severity: float, _: np.random.Generator) -> ByteImage:
    """Unsharp mask of radius 2, 150 to 1,500 per cent."""
    amount = round(between(150, 1500, severity))
    return np.asarray(Image.fromarray(image).filter(ImageFilter.UnsharpMask(2, amount, 0)))


def overdenoised(image: ByteImage, severity: float, _: np.random.Generator) -> ByteImage:
    """Total-variation denoising (Chambolle) of a photograph without much noise, weight 0.05 to 0.8."""
    values = image.astype(np.float32) / 255
    return to_bytes(denoise_tv_chambolle(values, weight=between(0.05, 0.8, severity), channel_axis=2))


EVEN = (0.2, 0.4, 0.6, 0.8, 1.0)
DEGRADATIONS: dict[str, tuple[Distortion, tuple[float, ...]]] = {
    "Gaussian blur": (gaussian_blur, EVEN),
    "motion blur": (motion_blur, EVEN),
    "noise": (gaussian_noise, EVEN),
    "JPEG": (jpeg, (0.3, 0.45, 0.6, 0.75, 0.9)),  # quality 56, 26, 12, 6 and 3; at 0.2 nobody sees it
    "down-up sampling": (resample, EVEN),
    "darkening": (darkening, EVEN),
    "contrast loss": (low_contrast, EVEN),
    "JPEG 2000": (jpeg2000, (0.45, 0.6, 0.75, 0.9, 1.0)),  # 28 to 300 times
    "HEIC": (heic, (0.6, 0.7, 0.8, 0.9, 1.0)),
    "AVIF": (avif, (0.6, 0.7, 0.8, 0.9, 1.0)),
    "WebP": (webp, (0.5, 0.7, 0.85, 0.93, 1.0)),
    "sharpened too much": (oversharpened, EVEN),
    "noise removed too much": (overdenoised, EVEN),
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
        right = pairs_in_order(scores)
        return cls(
            photographs=len(scores),
            pairs=right.size,
            in_order=float(right.mean()) if right.size else float("nan"),
            neighbours=float(right[:, worse == better + 1].mean()) if right.size else float("nan"),
            means=scores.mean(axis=0).round(2).tolist() if right.size else [],
        )


def pairs_in_order(scores: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether the less degraded version of each pair has the higher score.

    Args:
        scores: shape (photographs, levels), the clean version first, higher is better.

    Returns:
        Shape (photographs, pairs).
    """
    better, worse = np.triu_indices(scores.shape[1], 1)
    return scores[:, better] > scores[:, worse]


def versions(photographs: Photographs, names: Sequence[str], kept: Path | None = None) -> list[Picture]:
    """The clean photographs and all their versions, which are kept as files in a folder if there is one."""
    found = []
    for name in names:
        found.append(Picture.made(clean_key(name), partial(photographs.decoded, name)))
        for degradation, (_, severities) in DEGRADATIONS.items():
            for severity in severities:
                make = partial(_version, photographs, name, degradation, severity)
                found.append(Picture.made(key_of(name, degradation, severity), make, kept))
    return found


def scores_by_level(scores: ScoreFile, names: Sequence[str], degradation: str) -> NDArray[np.float64]:
    """Scores of the versions of each photograph, the clean one first, shape (photographs, levels)."""
    _, severities = DEGRADATIONS[degradation]
    keys = [[clean_key(name), *(key_of(name, degradation, each) for each in severities)] for name in names]
    return np.array([scores.scores(row) for row in keys])


def order_by_degradation(scores: ScoreFile, names: Sequence[str], sign: int = 1) -> dict[str, dict[str, object]]:
    """The order of the versions, by degradation; `sign` is -1 for a method whose lower scores are better."""
    return {each: asdict(Order.of(sign * scores_by_level(scores, names, each))) for each in DEGRADATIONS}


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
