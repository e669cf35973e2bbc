"""What an audit of a database found: errors, and remarks on what is merely worth knowing."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

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
"""What is found, by kind, in the order of a report."""


@dataclass(frozen=True)
class Finding:
    """One thing found.

    Attributes:
        kind: a key of `TITLES`.
        message: what and where, a sentence.
        images: names of the images concerned.
        severity: an error spoils results or stops a run; a remark does neither.
        leak: whether images of different splits are the same, so that a test would be answered from memory.
    """

    kind: str
    message: str
    images: tuple[str, ...] = ()
    severity: Severity = "error"
    leak: bool = False


@dataclass(frozen=True)
class Report:
    """All findings about a database.

    Attributes:
        name: the database.
        labels: its label file.
        folder: where its images were found, as far as they were.
        images: number of rows.
        splits: images of each split; empty where there is no split.
        findings: leaks first, then errors, then remarks; each in the order of `TITLES`.
        seconds: how long the audit took.
    """

    name: str
    labels: Path
    folder: Path
    images: int
    splits: Mapping[str, int]
    findings: tuple[Finding, ...]
    seconds: float

    @property
    def errors(self) -> tuple[Finding, ...]:
        """What is wrong."""
        return tuple(finding for finding in self.findings if finding.severity == "error")

    @property
    def remarks(self) -> tuple[Finding, ...]:
        """What is worth knowing."""
        return tuple(finding for finding in self.findings if finding.severity == "remark")

    def as_dict(self) -> dict[str, Any]:
        """The report as JSON has it."""
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
    """Leaks first, then other errors, then remarks; each kind together, as found."""
    kinds = list(TITLES)
    return tuple(sorted(findings, key=lambda f: (not f.leak, f.severity == "remark", kinds.index(f.kind))))
