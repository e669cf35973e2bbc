"""Pseudo-MOS: full-reference metrics on the scale of opinion scores. No human being was asked.

Five metrics compare an image with its pristine original; each gives a distance d >= 0, mapped to 1..100 by
1 + 99 / (1 + (d / half)^2). The label is their mean, its standard deviation their spread.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from skimage.color import deltaE_ciede2000, rgb2gray, rgb2lab
from skimage.filters import prewitt
from skimage.metrics import mean_squared_error, structural_similarity

from linearityiqa.data.synthetic.distortions import ByteImage, Distortion

RUNGS = 6
"""A distortion is measured at severities 0, 1/6 .. 1, and between them the label is interpolated."""

SMALLEST_SPREAD = 1.0
"""Lower bound of a label's standard deviation: metrics that agree wholly are still not observers."""

BEST = 100.0
"""Score of an image that equals its original; the scale's other end is 1."""

SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363)
"""Weights of the finest four scales of multi-scale SSIM (Wang, Simoncelli, Bovik 2003); the fifth needs 176 pixels."""


class Label(NamedTuple):
    """Pseudo-MOS in 1..100 and its standard deviation."""

    mos: float
    mos_std: float


PRISTINE = Label(BEST, SMALLEST_SPREAD)


class Severity(NamedTuple):
    """A distortion, how severe, and the seed of whatever is random in it."""

    distortion: Distortion
    severity: float
    seed: int

    @property
    def name(self) -> str:
        """Name of the distortion."""
        return self.distortion.__name__

    def apply(self, image: ByteImage) -> ByteImage:
        """Return the distorted image; at severity 0 the image itself."""
        if self.severity == 0:
            return image
        return self.distortion(image, self.severity, np.random.default_rng(self.seed))


class Views(NamedTuple):
    """Representations of an image that the metrics compare, made once for an image."""

    values: NDArray[np.float32]
    """Colour in [0, 1], shape (height, width, 3)."""
    luma: tuple[NDArray[np.float32], ...]
    """Grey pyramid; each level is half the one before."""
    edges: NDArray[np.float32]
    """Gradient magnitude of the second level."""
    lab: NDArray[np.float32]
    """CIELAB at half size, where the eye's resolution of colour ends."""

    @classmethod
    def of(cls, image: ByteImage) -> "Views":
        """Return the views of an sRGB image at least 96 pixels high and wide."""
        values = image.astype(np.float32) / np.float32(255)
        luma = [rgb2gray(values)]
        for _ in SCALE_WEIGHTS[1:]:
            luma.append(_halve(luma[-1]))
        edges = prewitt(luma[1])  # type: ignore[no-untyped-call]
        return cls(values, tuple(luma), edges, rgb2lab(_halve(values)))


class Distances(NamedTuple):
    """Distance of an image from its original by each metric; 0 where they are equal."""

    structure: float
    """1 - SSIM of luma, Gaussian window (Wang et al. 2004)."""
    scales: float
    """1 - weighted geometric mean of SSIM over four scales (after Wang, Simoncelli, Bovik 2003)."""
    edges: float
    """1 - mean gradient magnitude similarity of halved luma (after Xue et al. 2014)."""
    colour: float
    """Mean CIEDE2000 colour difference at half size (Sharma et al. 2005)."""
    rms: float
    """Root mean square error of sRGB values in [0, 1], which is 10^(-PSNR / 20)."""


HALF = Distances(structure=0.2, scales=0.085, edges=0.085, colour=5.0, rms=0.05)
"""The distance that scores 50.5, the middle of the scale. Under the hardest JPEG every metric scores about 20."""


def distances(pristine: Views, image: Views) -> Distances:
    """Compute all metrics of an image against its original."""
    similarities = [max(0.0, _ssim(a, b)) for a, b in zip(pristine.luma, image.luma, strict=True)]
    weights = np.array(SCALE_WEIGHTS) / sum(SCALE_WEIGHTS)
    a, b, constant = pristine.edges, image.edges, 0.0026
    return Distances(
        structure=1 - similarities[0],
        scales=float(1 - np.prod(np.power(similarities, weights))),
        edges=float(1 - np.mean((2 * a * b + constant) / (a * a + b * b + constant))),
        colour=float(np.mean(deltaE_ciede2000(pristine.lab, image.lab))),  # type: ignore[no-untyped-call]
        rms=float(np.sqrt(mean_squared_error(pristine.values, image.values))),
    )


def scores(pristine: Views, image: ByteImage) -> NDArray[np.float64]:
    """Return the score of each metric, shape (5,), each in 1..100."""
    # equal images may differ by a rounding error of the filters
    distance = np.maximum(0.0, distances(pristine, Views.of(image)))
    return np.asarray(1 + (BEST - 1) / (1 + (distance / np.array(HALF)) ** 2))


def ladder_scores(original: ByteImage, pristine: Views, step: Severity) -> NDArray[np.float64]:
    """Return scores of one distortion that never rise with its severity, shape (5,).

    Metrics now and then rise a little while a distortion grows. So each is measured at fixed rungs of severity, with
    the same random numbers; each rung has the least score so far; between rungs it is interpolated linearly.
    """
    position = step.severity * RUNGS
    lower, upper = max(0, int(np.ceil(position)) - 1), int(np.ceil(position))
    ladder = [step._replace(severity=rung / RUNGS) for rung in range(1, upper + 1)]
    rungs = [np.full(len(HALF), BEST), *(scores(pristine, rung.apply(original)) for rung in ladder)]
    least = np.minimum.accumulate(rungs)
    return np.asarray(least[lower] + (position - lower) * (least[upper] - least[lower]))


def label(original: ByteImage, steps: tuple[Severity, ...], distorted: ByteImage) -> Label:
    """Return the label of a pristine image that went through `steps`.

    No step: 100. One: `ladder_scores`. Several: every metric's score of `distorted`, or the lowest that one of the
    steps alone would get where that is lower, so that a second distortion never helps.
    """
    if not steps:
        return PRISTINE
    pristine = Views.of(original)
    each = [ladder_scores(original, pristine, step) for step in steps]
    if len(steps) > 1:
        each.append(scores(pristine, distorted))
    least = np.min(each, axis=0)
    return Label(float(least.mean()), max(SMALLEST_SPREAD, float(least.std())))


def _ssim(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    window = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    return float(structural_similarity(a, b, data_range=1.0, **window))  # type: ignore[no-untyped-call]


def _halve(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the mean of every 2 x 2 pixels; an odd last row or column is dropped."""
    even = image[: image.shape[0] // 2 * 2, : image.shape[1] // 2 * 2]
    return (even[0::2, 0::2] + even[1::2, 0::2] + even[0::2, 1::2] + even[1::2, 1::2]) / np.float32(4)
