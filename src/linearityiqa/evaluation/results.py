"""What results.json says, after training and after testing alike."""

from collections.abc import Mapping
from typing import Any

from linearityiqa.evaluation.report import Evaluation
from linearityiqa.quality import HEADS
from linearityiqa.record import ModelRecord


def results_of(
    record: ModelRecord, database: str, evaluations: Mapping[str, Evaluation], reported_split: str, **facts: Any
) -> dict[str, Any]:
    """The content of results.json.

    Args:
        record: of the model that was tested.
        database: the database it was tested on.
        evaluations: its figures, by split.
        reported_split: the split whose figures are the result.
        facts: what else is known, as plain values; they come first.
    """
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
