"""The authors' result files: one dictionary, pickled by NumPy into an object array (.npy).

Their keys: SROCC, PLCC and RMSE of each head; `sq` and `sq_std` (MOS and its standard deviation); `pq` (mapped) and
`pq_before` (raw scores, shape (N, 1)) of each head; `k` and `b` of the mapping, lists over the heads. A name's ending
tells the head: none = fused, 1 = stage 3, 2 = stage 4, which is also the order of the lists.
"""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from linearityiqa.errors import DataError
from linearityiqa.evaluation.predictions import AUTHORS_SUFFIXES, Predictions, evaluate
from linearityiqa.files import atomic_path
from linearityiqa.mapping import LinearMapping
from linearityiqa.numpy_pickles import PlainArray, RefusedPickleError, load_numpy_pickle
from linearityiqa.quality import PAPER_FIGURES, QualityScores, known_deviations

MAX_BYTES = 256 * 1024 * 1024
"""Largest file that is read: three million images."""


def load_pickled_dict(path: Path) -> dict[str, Any]:
    """Load the dictionary in a .npy file that ``np.save`` made of one, with its arrays and numbers."""
    try:
        with path.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except OSError as cause:
        raise DataError(f"cannot read {path}: {cause.strerror or cause}. Check the path.") from cause
    if len(content) > MAX_BYTES:
        raise DataError(f"{path} has more than {MAX_BYTES} bytes: it is not a result file of the paper's tools.")
    try:
        saved = load_numpy_pickle(_pickle_in(content))
    except RefusedPickleError as cause:
        raise DataError(
            f"{path} is refused: its pickle asks for {cause}, where only arrays and numbers are admitted. Get the file "
            "from its source again."
        ) from cause
    except Exception as cause:  # a damaged pickle may fail in any way, and all of them mean the same
        raise DataError(f"{path} is not a result file of the paper's tools, or is damaged: {cause}.") from cause
    # np.save wraps the dictionary in an array without dimensions
    wrapped = list(saved) if isinstance(saved, PlainArray) else []
    if not (len(wrapped) == 1 and isinstance(wrapped[0], dict)):
        raise DataError(f"{path} holds no dictionary of results: it is not a result file of the paper's tools.")
    return {key: value.values if isinstance(value, PlainArray) else value for key, value in wrapped[0].items()}


def _pickle_in(content: bytes) -> bytes:
    """Return the content of a .npy file that holds one object, without its header."""
    stream = io.BytesIO(content)
    version = np.lib.format.read_magic(stream)
    readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    if version not in readers:
        raise ValueError(f"version {version} of the format is not known")
    shape, _, dtype = readers[version](stream)
    if dtype != np.dtype(object) or shape != ():
        raise ValueError(f"it holds an array of type {dtype} and shape {shape}, not one dictionary")
    return stream.read()


@dataclass(frozen=True, eq=False)
class AuthorsResults:
    """The content of an authors' result file.

    Attributes:
        predictions: raw scores and MOS. The file has no image names: rows are called "1", "2" ... in its order.
            `mos_std` is as saved, which for the authors' KonIQ-10k files is the scale of single ratings (1..5).
        mapping: each head's line from raw score to MOS.
        figures: the saved SROCC, PLCC and RMSE of each head, by the authors' names.
    """

    predictions: Predictions
    mapping: QualityScores[LinearMapping]
    figures: dict[str, float]


def write_authors_npy(path: Path, predictions: Predictions, mapping: QualityScores[LinearMapping]) -> None:
    """Write a model's results as the authors' tools do, atomically.

    Args:
        path: the .npy file.
        predictions: raw scores of at least 2 images. `sq_std` is written on the scale of `sq`, or as nan where the
            standard deviations are not known.
        mapping: each head's line from raw score to MOS.
    """
    figures = evaluate(predictions, mapping).authors_figures()
    std = np.full(len(predictions), np.nan) if predictions.mos_std is None else predictions.mos_std
    mapped, heads = predictions.mapped(mapping), tuple(AUTHORS_SUFFIXES.items())
    content: dict[str, Any] = {name: np.float64(value) for name, value in figures.items()}
    content |= {"sq": predictions.mos, "sq_std": std}
    content |= {f"pq{suffix}": getattr(mapped, head) for head, suffix in heads}
    content |= {f"pq{suffix}_before": getattr(predictions.scores, head)[:, np.newaxis] for head, suffix in heads}
    content["k"] = [getattr(mapping, head).slope for head, _ in heads]
    content["b"] = [getattr(mapping, head).intercept for head, _ in heads]
    with atomic_path(path) as temporary, temporary.open("wb") as stream:
        np.save(stream, np.array(content, dtype=object), allow_pickle=True)


def read_authors_npy(path: Path) -> AuthorsResults:
    """Read a result file of the authors' tools or of `write_authors_npy`, without running anything in it.

    Raises:
        DataError: the file is missing, damaged or too large, refers to anything but arrays and numbers, lacks a key,
            or contradicts itself.
    """
    content = load_pickled_dict(path)
    mos = _column(content, "sq", path)
    std = _column(content, "sq_std", path)
    if len(std) != len(mos):
        raise DataError(f"{path} is damaged: sq has {len(mos)} values and sq_std {len(std)}. Copy the file again.")
    slopes, intercepts = _numbers(content, "k", path), _numbers(content, "b", path)
    scores: dict[str, NDArray[np.float64]] = {}
    mapping: dict[str, LinearMapping] = {}
    for position, (head, suffix) in enumerate(AUTHORS_SUFFIXES.items()):
        scores[head] = _column(content, f"pq{suffix}_before", path)
        mapping[head] = LinearMapping(slopes[position], intercepts[position])
        mapped = _column(content, f"pq{suffix}", path)
        if mapped.shape != mos.shape or scores[head].shape != mos.shape:
            raise DataError(f"{path} is damaged: pq{suffix}, pq{suffix}_before and sq differ in length. Copy it again.")
        if not np.allclose(mapped, mapping[head](scores[head]), rtol=1e-6, atol=1e-6, equal_nan=True):
            raise DataError(f"{path} contradicts itself: pq{suffix} is not k * pq{suffix}_before + b. Write it again.")
    predictions = Predictions(
        names=tuple(str(row) for row in range(1, len(mos) + 1)),
        mos=mos,
        mos_std=known_deviations(std),
        scores=QualityScores(**scores),
    )
    figures = {
        figure + suffix: float(_column(content, figure + suffix, path, size=1)[0])
        for figure in PAPER_FIGURES
        for suffix in AUTHORS_SUFFIXES.values()
    }
    return AuthorsResults(predictions, QualityScores(**mapping), figures)


def _numbers(content: dict[str, Any], key: str, path: Path) -> list[float]:
    numbers = _column(content, key, path, size=len(AUTHORS_SUFFIXES))
    if not np.isfinite(numbers).all():
        raise DataError(f"{path}: {key!r} must hold finite numbers, got {numbers.tolist()}. Write the file again.")
    return [float(value) for value in numbers]


def _column(content: dict[str, Any], key: str, path: Path, size: int | None = None) -> NDArray[np.float64]:
    """Return the numbers under a key, flat."""
    if key not in content:
        raise DataError(f"{path} has no {key!r}: it is not a result file of the paper's tools.")
    try:
        column = np.asarray(content[key], dtype=np.float64).ravel()
    except (TypeError, ValueError) as cause:
        raise DataError(f"{path}: {key!r} does not hold numbers. Copy the file again.") from cause
    if size is not None and len(column) != size:
        raise DataError(f"{path}: {key!r} must hold {size} number{'s' if size > 1 else ''}, not {len(column)}.")
    return column
