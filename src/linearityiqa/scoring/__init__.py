"""Scoring photographs with a trained model; imports no torch until a model file needs it."""

from linearityiqa.record import describe_transform
from linearityiqa.scoring.inputs import expand
from linearityiqa.scoring.pictures import QualityMap
from linearityiqa.scoring.prepared import ImageLike, PreprocessedImage
from linearityiqa.scoring.results import COLUMNS, Details, ImageScore, ImageScores, columns
from linearityiqa.scoring.runtime import HOW_TO_GET_A_MODEL, MapRuntime, Runtime, open_runtime
from linearityiqa.scoring.scorer import Scorer

Prepared = PreprocessedImage
"""Name of `PreprocessedImage` in earlier versions."""

__all__ = [
    "COLUMNS",
    "HOW_TO_GET_A_MODEL",
    "Details",
    "ImageLike",
    "ImageScore",
    "ImageScores",
    "MapRuntime",
    "Prepared",
    "PreprocessedImage",
    "QualityMap",
    "Runtime",
    "Scorer",
    "columns",
    "describe_transform",
    "expand",
    "open_runtime",
]
