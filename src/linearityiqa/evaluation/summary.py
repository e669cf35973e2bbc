"""Agreement of a model's heads with MOS: as data, as results.json, as the lines of the paper's tool."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from linearityiqa.evaluation.predictions import Predictions
from linearityiqa.mapping import LinearMapping
from linearityiqa.metrics import Agreement, agreement
from linearityiqa.quality import HEADS, PAPER_FIGURES, QualityScores
from linearityiqa.record import ModelRecord

AUTHORS_SUFFIXES = {"fused": "", "stage3": "1", "stage4": "2"}
"""Ending of the authors' names for the figures of each head, in their order."""


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Agreement of every head's mapped scores with MOS on one set of images.

    Attributes:
        n: number of images.
        agreement: the figures of each head.
    """

    n: int
    agreement: QualityScores[Agreement]

    def as_dict(self) -> dict[str, Any]:
        """Return the values of results.json: `n`, and under each head's name its figures (None: no value)."""
        return {"n": self.n, **{head: getattr(self.agreement, head).as_dict() for head in AUTHORS_SUFFIXES}}

    def authors_figures(self) -> dict[str, float]:
        """Return SROCC, PLCC and RMSE of each head by the authors' names, in their order: SROCC, SROCC1, SROCC2 ..."""
        return {
            figure + suffix: float(getattr(getattr(self.agreement, head), figure.lower()))
            for figure in PAPER_FIGURES
            for head, suffix in AUTHORS_SUFFIXES.items()
        }


def paper_lines(figures: Mapping[str, Any], database: str) -> list[str]:
    """Return nine lines as the paper's tool prints them, e.g. ``KonIQ-10k, SROCC: 0.937``: fused, stage 3, stage 4."""
    lines = []
    for head, suffix in AUTHORS_SUFFIXES.items():
        for name in PAPER_FIGURES:
            value = figures[head][name]
            lines.append(f"{database}, {name}{suffix}: {float('nan') if value is None else value:.3f}")
    return lines


def evaluate(predictions: Predictions, mapping: QualityScores[LinearMapping]) -> Evaluation:
    """Compute the agreement of a model's mapped scores with MOS.

    Args:
        predictions: raw scores of at least 2 images, with their MOS.
        mapping: each head's line from raw score to MOS; PLCC, RMSE and the outlier ratio are of k * x + b.
    """
    mapped = predictions.mapped(mapping)
    return Evaluation(
        n=len(predictions),
        agreement=mapped.map(lambda scores: agreement(scores, predictions.mos, predictions.mos_std)),
    )


def results_of(
    record: ModelRecord, database: str, evaluations: Mapping[str, Evaluation], reported_split: str, **facts: Any
) -> dict[str, Any]:
    """Return the content of results.json: `facts` first, then the figures by split."""
    return {
        **facts,
        "database": database,
        "reported_split": reported_split,
        "splits": {split: evaluation.as_dict() for split, evaluation in evaluations.items()},
        "trained_on": record.database,
        "epoch": record.epoch,
        "scale": None if record.scale is None else str(record.scale),
        "mapping": {
            head: {"slope": line.slope, "intercept": line.intercept}
            for head, line in zip(HEADS, record.mapping, strict=True)
        },
        "software": record.software,
    }
