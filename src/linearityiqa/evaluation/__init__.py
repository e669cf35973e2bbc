"""Predictions of a model on a database, and how well they agree with the opinion scores.

Only `predict` needs torch (extra `train`); it is loaded on first use.
"""

from typing import TYPE_CHECKING, Any

from linearityiqa.evaluation.authors_npy import AuthorsResults, read_authors_npy, write_authors_npy
from linearityiqa.evaluation.predictions import (
    AUTHORS_SUFFIXES,
    Evaluation,
    Predictions,
    SavedPredictions,
    evaluate,
    paper_lines,
    read_predictions_csv,
    results_of,
    write_predictions_csv,
)
from linearityiqa.extras import require

if TYPE_CHECKING:
    from linearityiqa.evaluation.inference import predict

__all__ = [
    "AUTHORS_SUFFIXES",
    "AuthorsResults",
    "Evaluation",
    "Predictions",
    "SavedPredictions",
    "evaluate",
    "paper_lines",
    "predict",
    "read_authors_npy",
    "read_predictions_csv",
    "results_of",
    "write_authors_npy",
    "write_predictions_csv",
]


def __getattr__(name: str) -> Any:
    if name == "predict":
        require("torch", "train")
        from linearityiqa.evaluation.inference import predict

        return predict
    raise AttributeError(f"module 'linearityiqa.evaluation' has no attribute {name!r}")
