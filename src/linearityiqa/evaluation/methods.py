"""Predictions of several methods, brought to the images that all of them have."""

import itertools
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from linearityiqa.data.databases.labels import Labels, composed
from linearityiqa.errors import DataError
from linearityiqa.evaluation.authors_npy import read_authors_npy
from linearityiqa.evaluation.predictions import SavedPredictions, read_predictions_csv
from linearityiqa.evaluation.scores_file import Scores, label_scores, load_scores, read_labels
from linearityiqa.files import named_path

AUTHORS_SUFFIX = ".npy"
MOS_TOLERANCE = 2e-3
"""Largest difference of an image's MOS between files, as a share of their range: that of rounding."""
_SMALL_STD = 0.02


@dataclass(frozen=True, eq=False)
class Methods:
    """Methods on the same images; what the files share comes from the first file that has it."""

    images: tuple[str, ...]
    """Names of the images that all methods have, in the first file's order."""
    predictions: dict[str, NDArray[np.float64]]
    """Finite predictions by method, shape (N,)."""
    mos: NDArray[np.float64]
    mos_std: NDArray[np.float64] | None
    """Standard deviations on the scale of `mos`."""
    ratings: NDArray[np.float64] | None
    """Number of ratings behind each MOS."""
    groups: tuple[str, ...] | None
    """Each image's value of the column that was asked for."""
    notes: tuple[str, ...]

    def renamed(self, names: Mapping[str, str]) -> "Methods":
        """Return a copy with other names of the methods."""
        return replace(self, predictions={names[name]: own for name, own in self.predictions.items()})


def read_methods(
    words: Sequence[Path], by: str | None = None, mos_std_scale: float = 1.0, labels: str | None = None
) -> Methods:
    """Read predictions files of one method each.

    Args:
        words: CSV files (see `read_predictions_csv`) or the authors' .npy files, at least one; also as `name=path`.
        by: a column of the first file, or of the labels, that names each image's group.
        mos_std_scale: factor that brings the standard deviations to the scale of the MOS.
        labels: a database or label file whose opinions count; the files need hold scores only (`load_scores`).
    """
    paths = [named_path(word)[1] for word in words]
    notes: list[str] = []
    if labels is None:
        files = [_read(path, by if path == paths[0] else None) for path in paths]
    else:
        opinions, texts = read_labels(labels), [] if by is None else [by]
        files = []
        for path in paths:
            scores = load_scores(path)
            files.append(label_scores(path, scores, opinions, texts))
            notes += _without_label(path, scores, files[-1], opinions)
    _check_same_kind(paths, files)
    names = method_names(words)
    first = files[0]
    rows = [{composed(image): row for row, image in enumerate(file.names)} for file in files]
    images = tuple(image for image in first.names if all(composed(image) in own for own in rows[1:]))
    if len(images) < 2:
        raise DataError(
            f"{', '.join(map(str, paths))} have {len(images)} images in common. Compare predictions of the same "
            "images under the same names (in the authors' .npy files images have no names)."
        )
    common = [_take(file, [own[composed(image)] for image in images]) for file, own in zip(files, rows, strict=True)]
    for path, file in zip(paths[1:], common[1:], strict=True):
        _check_same_mos(paths[0], common[0], path, file)
    std = next((file.mos_std for file in common if file.mos_std is not None), None)
    std = None if std is None else std * mos_std_scale
    return Methods(
        images=images,
        predictions={name: file.prediction for name, file in zip(names, common, strict=True)},
        mos=common[0].mos,
        mos_std=std,
        ratings=next((file.ratings for file in common if file.ratings is not None), None),
        groups=None if by is None else common[0].texts[by],
        notes=(*notes, *_left_out(paths, files, len(images)), *_small_std(std, common[0].mos)),
    )


def method_names(words: Sequence[Path]) -> tuple[str, ...]:
    """Return a name for each file: the one given, its stem, its folder's name for predictions.csv, or the whole path.

    >>> method_names([Path("mine.csv"), Path("runs/resnet/predictions.csv"), Path("theirs=x.csv")])
    ('mine', 'resnet', 'theirs')
    """
    named = [named_path(word) for word in words]
    short = [name or (path.resolve().parent.name if path.stem == "predictions" else path.stem) for name, path in named]
    uses = Counter(short)
    names = tuple(
        short_name if uses[short_name] == 1 or given else str(path)
        for short_name, (given, path) in zip(short, named, strict=True)
    )
    twice = next((name for name, count in Counter(names).items() if count > 1), None)
    if twice is not None:
        raise DataError(f"two files are called {twice}. Give each its own name: name=FILE.")
    return names


LONGEST_NAME = 24
"""Longest name of a method in a table, in characters."""
_DIGEST = re.compile(r"-[0-9a-f]{8}$")


def short_names(names: Sequence[str]) -> dict[str, str]:
    """Shorten names of methods to fit into a table, all different: first drop common parts, then the middle.

    >>> names = ["K-resnet18-mae-p1-q2-00000000-3c8775f0", "K-resnet18-mse-p1-q2-00000000-db13f69e"]
    >>> list(short_names(names).values())
    ['mae', 'mse']
    """
    short = list(names)
    if max(map(len, short), default=0) > LONGEST_NAME:
        plain = [_DIGEST.sub("", name) for name in short]
        short = plain if len(set(plain)) == len(plain) else short
        for backwards in (1, -1):
            parts = [name.split("-")[::backwards] for name in short]
            columns = itertools.takewhile(lambda column: len(set(column)) == 1, zip(*parts, strict=False))
            shared = min(len(list(columns)), min(map(len, parts)) - 1) if len(parts) > 1 else 0
            short = ["-".join(own[shared:][::backwards]) for own in parts]
        cut = [
            name if len(name) <= LONGEST_NAME else f"{name[:11]}\N{HORIZONTAL ELLIPSIS}{name[-12:]}" for name in short
        ]
        short = cut if len(set(cut)) == len(cut) else short
    return dict(zip(names, short, strict=True))


def _read(path: Path, by: str | None) -> SavedPredictions:
    if path.suffix.lower() in (".jsonl", ".parquet") or path.is_dir():
        raise DataError(f"{path} holds scores without opinions: name a file of these with --labels.")
    if path.suffix.lower() != AUTHORS_SUFFIX:
        return read_predictions_csv(path, () if by is None else (by,))
    if by is not None:
        raise DataError(f"{path} has no column {by}: the authors' .npy files hold predictions and MOS only.")
    results = read_authors_npy(path)
    found, fused = results.predictions, results.predictions.mapped(results.mapping).fused
    columns = [fused, found.mos, *([] if found.mos_std is None else [found.mos_std])]
    if not all(np.isfinite(column).all() for column in columns):
        raise DataError(f"{path} holds a prediction, a MOS or a standard deviation that is not finite.")
    return SavedPredictions(names=found.names, mos=found.mos, mos_std=found.mos_std, prediction=fused)


def _take(file: SavedPredictions, rows: list[int]) -> SavedPredictions:
    """Return some images of a file, in the order given."""
    return SavedPredictions(
        names=tuple(file.names[row] for row in rows),
        mos=file.mos[rows],
        prediction=file.prediction[rows],
        mos_std=None if file.mos_std is None else file.mos_std[rows],
        ratings=None if file.ratings is None else file.ratings[rows],
        texts={name: tuple(values[row] for row in rows) for name, values in file.texts.items()},
    )


def _check_same_kind(paths: Sequence[Path], files: Sequence[SavedPredictions]) -> None:
    resolved = Counter(path.resolve() for path in paths)
    twice = next((path for path, uses in resolved.items() if uses > 1), None)
    if twice is not None:
        raise DataError(f"{twice} is named twice. Name each method's file once.")
    unnamed = [path.suffix.lower() == AUTHORS_SUFFIX for path in paths]
    if any(unnamed) and (not all(unnamed) or len({len(file.names) for file in files}) > 1):
        raise DataError(
            "the authors' .npy files have no image names, so they can only be compared with one another, with equally "
            f"many images in the same order; got {', '.join(map(str, paths))}."
        )


def _check_same_mos(path: Path, file: SavedPredictions, other_path: Path, other: SavedPredictions) -> None:
    apart = np.abs(file.mos - other.mos)
    worst = int(apart.argmax())
    if apart[worst] > MOS_TOLERANCE * max(float(np.ptp(file.mos)), 1e-12):
        raise DataError(
            f"the MOS of {file.names[worst]} is {file.mos[worst]:g} in {path} and {other.mos[worst]:g} in "
            f"{other_path}. Methods can only be compared on the same opinion scores."
        )


def _without_label(path: Path, scores: Scores, file: SavedPredictions, labels: Labels) -> Iterator[str]:
    """Yield remarks on images of a file of scores, or of the labels, that are left out."""
    failed = sum(score is None for score in scores.scores)
    if failed:
        yield f"{failed} of the {len(scores.names)} images of {path} have no score and are left out."
    unknown = len(scores.names) - failed - len(file.names)
    if unknown:
        yield f"{unknown} scored images of {path} have no label in {labels.file} and are left out."
    if len(file.names) < len(labels.names):
        yield f"{len(labels.names) - len(file.names)} of the {len(labels.names)} images of {labels.file} have no score."


def _left_out(paths: Sequence[Path], files: Sequence[SavedPredictions], common: int) -> list[str]:
    return [
        f"{len(file.names) - common} of the {len(file.names)} images of {path} are left out: not all files have them."
        for path, file in zip(paths, files, strict=True)
        if len(file.names) > common
    ]


def _small_std(std: NDArray[np.float64] | None, mos: NDArray[np.float64]) -> list[str]:
    if std is None or not float(std.max()) < _SMALL_STD * float(np.ptp(mos)):
        return []
    return [
        f"the standard deviations (at most {std.max():.3g}) are small for the range of the MOS ({np.ptp(mos):.3g}): "
        "if they are on the scale of single ratings, the outlier ratio and the pairs mean nothing; --mos_std_scale "
        "converts them (27.82 for KonIQ-10k)."
    ]
