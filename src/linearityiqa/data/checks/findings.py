"""Findings of an audit: errors, and remarks that call for no correction."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from linearityiqa.data.databases.labels import Labels
from linearityiqa.data.databases.table import MIN_IMAGES
from linearityiqa.quality import QualityScale

Severity = Literal["error", "remark"]

TITLES = {
    "row": "rows that cannot be read",
    "number": "scores or deviations that are no numbers",
    "scores": "scores that are all the same",
    "scale": "scores off the scale",
    "deviation": "standard deviations that cannot be",
    "name": "names that cannot be images",
    "listed-twice": "images with more than one row",
    "split": "words that are no split",
    "split-size": "splits that are too small",
    "reference": "empty references",
    "straddling": "references with images in several splits",
    "missing": "missing images",
    "truncated": "truncated images",
    "unreadable": "unreadable images",
    "constant": "images of a single colour",
    "identical-files": "identical files",
    "identical-pixels": "different files with identical pixels",
    "near-duplicates": "near-duplicates",
    "conflict": "identical images with different scores",
    "orientation": "EXIF orientations",
    "size": "unusual sizes",
    "mode": "unusual kinds of pixels",
    "format": "names of another format",
    "unlisted": "images without a row",
    "search": "an incomplete search",
}
"""Kinds of findings, in the order of a report."""


@dataclass(frozen=True)
class Finding:
    """A finding of the audit; an error spoils results or stops a run, a remark does neither."""

    kind: str
    """A key of `TITLES`."""
    message: str
    images: tuple[str, ...] = ()
    severity: Severity = "error"
    leak: bool = False
    """Images of different splits are the same, so that a test would be answered from memory."""


@dataclass(frozen=True)
class Report:
    """All findings about a database."""

    name: str
    labels: Path
    folder: Path
    images: int
    """Number of rows."""
    splits: Mapping[str, int]
    """Images of each split; empty where there is no split."""
    findings: tuple[Finding, ...]
    """Leaks first, then errors, then remarks; each in the order of `TITLES`."""
    seconds: float

    @property
    def errors(self) -> tuple[Finding, ...]:
        """The findings that are errors."""
        return tuple(finding for finding in self.findings if finding.severity == "error")

    @property
    def remarks(self) -> tuple[Finding, ...]:
        """The findings that are remarks."""
        return tuple(finding for finding in self.findings if finding.severity == "remark")

    def as_dict(self) -> dict[str, Any]:
        """Return the report as JSON has it."""
        return {
            "database": self.name,
            "labels": str(self.labels),
            "folder": str(self.folder),
            "images": self.images,
            "splits": dict(self.splits),
            "errors": len(self.errors),
            "remarks": len(self.remarks),
            "seconds": round(self.seconds, 2),
            "findings": [asdict(finding) for finding in self.findings],
        }


def in_order(findings: list[Finding]) -> tuple[Finding, ...]:
    """Sort findings: leaks first, then other errors, then remarks; each kind together, as found."""
    kinds = list(TITLES)
    return tuple(sorted(findings, key=lambda f: (not f.leak, f.severity == "remark", kinds.index(f.kind))))


FAR = 3.0
"""Without a known scale: a score counts as off the scale this many times the range of the middle 90 % beyond it."""
FEW = 20
"""Fewest images from which that range is estimated."""
TINY_DEVIATION = 0.01
"""Standard deviations whose median is below this part of the scale are probably those of single ratings on another."""


def check_labels(labels: Labels, scale: QualityScale | None) -> Iterator[Finding]:
    """Yield findings about scores, their deviations and the sizes of splits; `scale` is not just the observed one."""
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
        why = f"90 % of the scores are in {inner[0]:g}..{inner[1]:g}"
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
