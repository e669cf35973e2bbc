"""What is wrong with scores, apart from what keeps them from being read."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from linearityiqa.data.checks.findings import Finding
from linearityiqa.data.databases.labels import Labels
from linearityiqa.data.databases.table import MIN_IMAGES
from linearityiqa.quality import QualityScale

FAR = 3.0
"""Without a known scale: a score counts as off the scale this many times the range of the middle 90 % beyond it."""
FEW = 20
"""Fewest images from which that range is estimated."""
TINY_DEVIATION = 0.01
"""Standard deviations whose median is below this part of the scale are probably those of single ratings on another."""


def check_labels(labels: Labels, scale: QualityScale | None) -> Iterator[Finding]:
    """Findings about scores, their deviations and the sizes of splits.

    Args:
        labels: what could be read.
        scale: the scale of the scores, where it is known and not just taken from them.
    """
    yield from _off_scale(labels, scale)
    if labels.mos_std is not None:
        yield from _deviations(labels, labels.mos_std, scale)
    if labels.splits is not None:
        yield from _split_sizes({name: len(rows) for name, rows in labels.splits.items()})


def _off_scale(labels: Labels, scale: QualityScale | None) -> Iterator[Finding]:
    finite = labels.mos[np.isfinite(labels.mos)]
    if scale is not None:
        low, high, why = scale.low, scale.high, f"the scale is {scale.low:g}..{scale.high:g}"
    elif len(finite) >= FEW:
        inner = np.quantile(finite, (0.05, 0.95))
        margin = FAR * (inner[1] - inner[0])
        low, high = inner[0] - margin, inner[1] + margin
        why = f"90 % of the scores lie in {inner[0]:g}..{inner[1]:g}"
    else:
        return
    yield from _each(labels, (labels.mos < low) | (labels.mos > high), "scale", f"{{where}}: the score of {{name}} is "
                     f"{{value:g}}, but {why}. Correct or drop the row.", labels.mos)  # fmt: skip


def _deviations(labels: Labels, deviations: NDArray[np.float64], known: QualityScale | None) -> Iterator[Finding]:
    """Ratings between two bounds deviate from their mean by no more than half the distance of the bounds."""
    scale = known or labels.scale
    span = scale.high - scale.low
    # two ratings, divided by one less than their number; a scale that was only observed is wider than what was seen
    most = span / 2 * np.sqrt(2) if known else span
    message = (
        f"{{where}}: the standard deviation of {{name}} is {{value:g}}, but ratings on a scale of {scale.low:g}.."
        f"{scale.high:g} do not deviate by more than {most:g}. Correct or drop the row."
    )
    yield from _each(labels, deviations > most, "deviation", message, deviations)
    middle = float(np.nanmedian(deviations)) if np.isfinite(deviations).any() else np.nan
    if middle < TINY_DEVIATION * span:
        yield Finding(
            "deviation",
            f"half of the standard deviations are below {middle:.3g} on a scale of {scale.low:g}..{scale.high:g}: they "
            "may be those of ratings on another scale, or of the mean.",
            severity="remark",
        )


def _split_sizes(sizes: dict[str, int]) -> Iterator[Finding]:
    for name, size in sizes.items():
        if 0 < size < MIN_IMAGES:
            yield Finding("split-size", f"the {name} split has {size} image; at least {MIN_IMAGES} are needed.")
        elif size == 0:
            yield Finding("split-size", f"the {name} split is empty.", severity="remark")


def _each(
    labels: Labels, wrong: NDArray[np.bool_], kind: str, message: str, values: NDArray[np.float64]
) -> Iterator[Finding]:
    for row in np.flatnonzero(wrong):
        name = labels.names[row]
        text = message.format(where=labels.where(int(row)), name=name, value=values[row])
        yield Finding(kind, text, (name,))
