"""Scoring photographs with a trained model; imports no torch until a model file needs it."""

from linearityiqa.scoring.inputs import expand
from linearityiqa.scoring.results import COLUMNS, ImageScore
from linearityiqa.scoring.runtime import HOW_TO_GET_A_MODEL, Runtime, open_runtime
from linearityiqa.scoring.scorer import Scorer, describe_transform

__all__ = [
    "COLUMNS",
    "HOW_TO_GET_A_MODEL",
    "ImageScore",
    "Runtime",
    "Scorer",
    "describe_transform",
    "expand",
    "open_runtime",
]
