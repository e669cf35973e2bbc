"""One image of the database: a pure function of the seed and the image's number."""

from typing import NamedTuple

import numpy as np

from linearityiqa.config import SyntheticConfig
from linearityiqa.data.synthetic.distortions import DISTORTIONS, ByteImage
from linearityiqa.data.synthetic.labels import Label, Severity, label
from linearityiqa.data.synthetic.references import cut

STEP_SHARES = (0.08, 0.62, 0.30)
"""Shares of images with no distortion, one, and two."""

PAIR_SEVERITY = 0.7
"""Highest severity where two distortions meet; above it nearly all pairs would stand at the foot of the scale."""


class Sample(NamedTuple):
    """A distorted image, how it came about, and its label."""

    pixels: ByteImage
    steps: tuple[Severity, ...]
    label: Label


def make_sample(reference: ByteImage, number: int, config: SyntheticConfig) -> Sample:
    """Image `number` of the database.

    Args:
        reference: the pristine image whose turn it is.
        number: which image; with the seed it determines crop, distortions and noise.
        config: size of the images, and the seed.
    """
    rng = np.random.default_rng([config.seed, 1, number])
    original = cut(reference, config.height, config.width, rng)
    steps = draw_steps(rng)
    pixels = original
    for step in steps:
        pixels = step.apply(pixels)
    return Sample(pixels, steps, label(original, steps, pixels))


def draw_steps(rng: np.random.Generator) -> tuple[Severity, ...]:
    """No, one or two different distortions in the order of `DISTORTIONS`, with severities to four digits."""
    count = int(rng.choice(len(STEP_SHARES), p=STEP_SHARES))
    chosen = sorted(rng.choice(len(DISTORTIONS), size=count, replace=False).tolist())
    highest = PAIR_SEVERITY if count > 1 else 1.0
    return tuple(Severity(DISTORTIONS[k], round(rng.uniform(0, highest), 4), int(rng.integers(2**63))) for k in chosen)
