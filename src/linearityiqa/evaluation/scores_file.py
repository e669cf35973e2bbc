"""Match scores without opinions, as `linearityiqa score` writes them, to the labels of a database."""

import itertools
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from linearityiqa.config import DataConfig
from linearityiqa.data.databases.labels import MAX_ROWS, Labels, folded
from linearityiqa.data.databases.opening import open_label_file, open_labels
from linearityiqa.data.databases.splits import split_names
from linearityiqa.data.databases.texttable import MAX_BYTES
from linearityiqa.errors import DataError
from linearityiqa.evaluation.predictions import RATINGS, SavedPredictions
from linearityiqa.scores.rows import read_scores


class Scores(NamedTuple):
    """Images as they were named when they were scored, and their scores; None where there is none."""

    names: tuple[str, ...]
    scores: tuple[float | None, ...]


def read_labels(dataset: str) -> Labels:
    """Read the labels of a known database, of a CSV file, or of a published label file."""
    data = DataConfig(dataset=dataset)
    return (open_label_file(Path(dataset), data) or open_labels(data, others=True)).labels


def load_scores(path: Path) -> Scores:
    """Load the scores of a file (`linearityiqa.scores.rows.read_scores`) of bounded size."""
    if path.is_file() and path.stat().st_size > MAX_BYTES:
        raise DataError(f"{path} has more than {MAX_BYTES} bytes. Divide it into smaller files.")
    rows = list(itertools.islice(((row["path"].strip(), row["score"]) for row in read_scores(path)), MAX_ROWS + 1))
    if len(rows) > MAX_ROWS:
        raise DataError(f"{path} has more than {MAX_ROWS} rows. Divide it into smaller files.")
    if not rows:
        raise DataError(f"{path} holds no scores. Score images first: linearityiqa score --output {path} PHOTOS")
    return Scores(*zip(*rows, strict=True))


def label_scores(path: Path, scores: Scores, labels: Labels, texts: Sequence[str] = ()) -> SavedPredictions:
    """Return the scored images that have labels, under the labels' names and in their order.

    A path matches the longest name that it ends in: `/photos/x/a.png` is `x/a.png`, or else `a.png`.
    """
    found: dict[int, int] = {}
    rows = _Names(labels, path)
    for scored, name in enumerate(scores.names):
        row = rows.find(name) if scores.scores[scored] is not None else None
        if row is not None and found.setdefault(row, scored) != scored:
            raise DataError(
                f"{scores.names[found[row]]} and {name} of {path} are both {labels.names[row]} of {labels.file}. Drop "
                "one of them, or name the images in the labels with their folders."
            )
    if len(found) < 2:
        raise DataError(
            f"{len(found)} of the {len(scores.names)} images of {path} (such as {scores.names[0]}) are found with a "
            f"score in {labels.file} (names such as {labels.names[0]}). The paths of the scores must end in the names "
            "of the labels."
        )
    chosen = sorted(found)
    return SavedPredictions(
        names=tuple(labels.names[row] for row in chosen),
        mos=labels.mos[chosen],
        prediction=np.array([scores.scores[found[row]] for row in chosen], dtype=np.float64),
        mos_std=None if labels.mos_std is None else labels.mos_std[chosen],
        ratings=_ratings(labels, chosen),
        texts={name: tuple(_text_column(labels, name)[row] for row in chosen) for name in texts},
    )


class _Names:
    """The names of labels, found by paths that end in them."""

    def __init__(self, labels: Labels, scores: Path) -> None:
        self._labels, self._scores = labels, scores
        self._by_file: dict[str, list[tuple[tuple[str, ...], int]]] = defaultdict(list)
        for row, name in enumerate(labels.names):
            parts = _parts(name)
            self._by_file[folded(parts[-1])].append((parts, row))

    def find(self, path: str) -> int | None:
        """Find the row of an image; of several names that fit, the longest; DataError where two are equally long."""
        parts = _parts(path)
        candidates = self._by_file.get(folded(parts[-1]), ())
        if not candidates:  # names in labels may lack their ending
            parts = (*parts[:-1], PurePosixPath(parts[-1]).stem)
            candidates = self._by_file.get(folded(parts[-1]), ())
        fitting = [one for one in candidates if _share_end(parts, one[0])]
        if not fitting:  # case and the composition of accents may have changed on the way
            fitting = [one for one in candidates if _share_end(_folded(parts), _folded(one[0]))]
        longest = max((min(len(name), len(parts)) for name, _ in fitting), default=0)
        best = [row for name, row in fitting if min(len(name), len(parts)) == longest]
        if len(best) > 1:
            names = " or ".join(self._labels.names[row] for row in best[:2])
            raise DataError(
                f"{path} of {self._scores} may be {names} of {self._labels.file}. Score the images under paths with "
                "their folders, and name each image once in the labels."
            )
        return best[0] if best else None


def _parts(name: str) -> tuple[str, ...]:
    return PurePosixPath(name.replace("\\", "/")).parts or (name,)


def _folded(parts: Sequence[str]) -> tuple[str, ...]:
    return tuple(map(folded, parts))


def _share_end(one: Sequence[str], other: Sequence[str]) -> bool:
    length = min(len(one), len(other))
    return tuple(one[-length:]) == tuple(other[-length:])


def _ratings(labels: Labels, rows: Sequence[int]) -> NDArray[np.float64] | None:
    column = next((values for name, values in labels.others.items() if name.lower() == RATINGS), None)
    if column is None:
        return None
    try:
        return np.array([float(column[row]) for row in rows])
    except ValueError as cause:
        raise DataError(f"{labels.file}: the column {RATINGS} holds no number: {cause}. Correct it.") from cause


def _text_column(labels: Labels, name: str) -> Sequence[str]:
    columns: dict[str, Sequence[str]] = {column.lower(): values for column, values in labels.others.items()}
    if labels.references is not None:
        columns["reference"] = labels.references
    if labels.splits is not None:
        columns["split"] = split_names(labels.splits, len(labels.names))
    if name.lower() not in columns:
        raise DataError(
            f"{labels.file} has no column {name} to group images by; it has {', '.join(columns) or 'none'}."
        )
    return columns[name.lower()]
