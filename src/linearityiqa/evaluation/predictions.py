"""Predictions with their MOS; predictions.csv; their agreement as results.json and as the paper's tool prints it."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from linearityiqa.data.databases.labels import composed
from linearityiqa.data.databases.texttable import read_text_table
from linearityiqa.errors import DataError
from linearityiqa.files import atomic_path
from linearityiqa.mapping import LinearMapping
from linearityiqa.metrics import Agreement, agreement
from linearityiqa.quality import HEADS, PAPER_FIGURES, QualityScores, known_deviations
from linearityiqa.record import ModelRecord

NAME, MOS, MOS_STD, RATINGS = "image_name", "mos", "mos_std", "ratings"
HEAD_COLUMNS = {"fused": "prediction", "stage3": "prediction_stage3", "stage4": "prediction_stage4"}
"""Column of each head's mapped scores, in the order of the file."""
AUTHORS_SUFFIXES = {"fused": "", "stage3": "1", "stage4": "2"}
"""Ending of the authors' names for the figures of each head, in their order."""


@dataclass(frozen=True, eq=False)
class Predictions:
    """Raw outputs of the three heads and the opinion scores of the same images, in the order of the table.

    Attributes:
        names: image names as in the labels.
        mos: mean opinion scores, shape (N,).
        mos_std: their standard deviations on the scale of `mos`, shape (N,), or None where not published.
        scores: raw outputs of each head, shape (N,), not mapped to any scale.
    """

    names: tuple[str, ...]
    mos: NDArray[np.float64]
    mos_std: NDArray[np.float64] | None
    scores: QualityScores[NDArray[np.float64]]

    def __post_init__(self) -> None:
        columns = {"mos": self.mos, "mos_std": self.mos_std, **self.scores._asdict()}
        for column, values in columns.items():
            if values is not None and values.shape != (len(self.names),):
                raise DataError(f"predictions of {len(self.names)} images have {column} of shape {values.shape}")

    def __len__(self) -> int:
        return len(self.names)

    def fit_mapping(self) -> QualityScores[LinearMapping]:
        """Fit the least-squares line from each head's output to MOS.

        Raises:
            DataError: fewer than 2 images, or a value that is not finite.
        """
        return self.scores.map(lambda scores: LinearMapping.fit(scores, self.mos))

    def mapped(self, mapping: QualityScores[LinearMapping]) -> QualityScores[NDArray[np.float64]]:
        """Return each head's scores on the scale of the MOS, never clipped."""
        return QualityScores(*(line(scores) for line, scores in zip(mapping, self.scores, strict=True)))


@dataclass(frozen=True, eq=False)
class SavedPredictions:
    """The columns of a predictions file; those that it may lack are None.

    Attributes:
        names: image names.
        mos: mean opinion scores, shape (N,), finite.
        mos_std: their standard deviations on the scale of `mos`, shape (N,).
        prediction: the method's scores, shape (N,), finite; our models' are mapped to the scale of `mos`.
        prediction_stage3: mapped scores of the stage-3 head.
        prediction_stage4: mapped scores of the stage-4 head.
        ratings: number of ratings behind each MOS, shape (N,).
        texts: values of the other columns that were asked for.
    """

    names: tuple[str, ...]
    mos: NDArray[np.float64]
    prediction: NDArray[np.float64]
    mos_std: NDArray[np.float64] | None = None
    prediction_stage3: NDArray[np.float64] | None = None
    prediction_stage4: NDArray[np.float64] | None = None
    ratings: NDArray[np.float64] | None = None
    texts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "mos_std", known_deviations(self.mos_std))


def write_predictions_csv(path: Path, predictions: Predictions, mapping: QualityScores[LinearMapping]) -> None:
    """Write image_name, mos, mos_std (where known) and the mapped score of each head, atomically.

    Numbers have as many digits as give the same float64 back.

    Raises:
        OSError: the file cannot be written.
    """
    columns = {MOS: predictions.mos}
    if predictions.mos_std is not None:
        columns[MOS_STD] = predictions.mos_std
    mapped = predictions.mapped(mapping)
    columns |= {column: getattr(mapped, head) for head, column in HEAD_COLUMNS.items()}
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow([NAME, *columns])
        # tolist gives Python's floats, whose text is the shortest that reads back as the same number
        writer.writerows(zip(predictions.names, *(values.tolist() for values in columns.values()), strict=True))


def read_predictions_csv(path: Path, texts: Sequence[str] = ()) -> SavedPredictions:
    """Read a predictions file of ours or of any other method.

    Args:
        path: a CSV file with the columns image_name, mos and prediction, optionally mos_std, prediction_stage3,
            prediction_stage4 and ratings.
        texts: names of other columns that are wanted as text.

    Raises:
        DataError: the file is missing, too large or no CSV text, lacks a column, names an image twice, or holds a
            value that is not a finite number; the message names the line.
    """
    optional = (MOS_STD, *(column for head, column in HEAD_COLUMNS.items() if head != "fused"), RATINGS)
    table = read_text_table(path, (NAME, MOS, HEAD_COLUMNS["fused"], "score", *optional, *texts))
    if MOS not in table and "score" in table:
        raise DataError(f"{path} holds scores without opinions (mos): name a file of these with --labels.")
    names = tuple(table.texts(NAME))
    first_row: dict[str, int] = {}
    for row, name in enumerate(names):
        first = first_row.setdefault(composed(name), row)
        if first != row:
            raise DataError(f"{table.where(row)}: {name} is already in {table.where(first)}. Drop one of them.")
    return SavedPredictions(
        names=names,
        mos=table.numbers(MOS),
        prediction=table.numbers(HEAD_COLUMNS["fused"]),
        texts={column: tuple(table.texts(column)) for column in texts},
        **{column: table.known_numbers(column) for column in optional},
    )


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
