"""The authors' result files: one dictionary, pickled by NumPy into an object array (.npy).

Their keys: SROCC, PLCC and RMSE of each head; `sq` and `sq_std` (MOS and its standard deviation); `pq` (mapped) and
`pq_before` (raw scores, shape (N, 1)) of each head; `k` and `b` of the mapping, lists over the heads. A name's ending
tells the head: none = fused, 1 = stage 3, 2 = stage 4, which is also the order of the lists.
"""

import io
import math
import pickle
import pickletools
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from linearityiqa.errors import DataError
from linearityiqa.evaluation.predictions import Predictions
from linearityiqa.evaluation.summary import AUTHORS_FIGURES, AUTHORS_SUFFIXES, evaluate
from linearityiqa.files import atomic_path
from linearityiqa.mapping import LinearMapping
from linearityiqa.quality import QualityScores, known_deviations

MAX_BYTES = 256 * 1024 * 1024
"""Largest file that is read: three million images."""

MAX_STEPS = 10_000
"""Most steps of the pickle; a result file has some hundreds, however many images."""

NUMERIC_TYPES = frozenset({"b1", "f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8"})


def load_pickled_dict(path: Path) -> dict[str, Any]:
    """The dictionary in a .npy file that ``np.save`` made of one, with its arrays and numbers.

    Raises:
        DataError: the file is missing, too large or damaged, holds something else, or refers to anything but arrays
            and numbers.
    """
    try:
        with path.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except OSError as cause:
        raise DataError(f"cannot read {path}: {cause.strerror or cause}. Check the path.") from cause
    if len(content) > MAX_BYTES:
        raise DataError(f"{path} has more than {MAX_BYTES} bytes: it is not a result file of the paper's tools.")
    try:
        program = _pickle_in(content)
        _look_through(program)
        saved = _unwrapped(_Unpickler(io.BytesIO(program)).load())
    except _Refused as cause:
        raise DataError(
            f"{path} is refused: its pickle asks for {cause}, where only arrays and numbers are admitted. Get the file "
            "from its source again."
        ) from cause
    except Exception as cause:  # a damaged pickle may fail in any way, and all of them mean the same
        raise DataError(f"{path} is not a result file of the paper's tools, or is damaged: {cause}.") from cause
    # np.save wraps the dictionary in an array without dimensions
    if not (isinstance(saved, list) and len(saved) == 1 and isinstance(saved[0], dict)):
        raise DataError(f"{path} holds no dictionary of results: it is not a result file of the paper's tools.")
    return {key: _plain(value) for key, value in saved[0].items()}


class _Refused(Exception):  # noqa: N818 - internal, becomes a DataError
    """Names what a pickle must not ask for."""


def _pickle_in(content: bytes) -> bytes:
    """What follows the header of a .npy file that holds one object."""
    stream = io.BytesIO(content)
    version = np.lib.format.read_magic(stream)
    readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    if version not in readers:
        raise ValueError(f"version {version} of the format is not known")
    shape, _, dtype = readers[version](stream)
    if dtype != np.dtype(object) or shape != ():
        raise ValueError(f"it holds an array of type {dtype} and shape {shape}, not one dictionary")
    return stream.read()


def _look_through(program: bytes) -> None:
    argument: Any
    for step, (opcode, argument, _) in enumerate(pickletools.genops(program)):
        if step >= MAX_STEPS:
            _refuse(f"more than {MAX_STEPS} steps")
        if "PUT" in opcode.name and int(argument) >= MAX_STEPS:
            _refuse(f"memory at place {argument}")


class _Inert:
    """A stand-in for something that a pickle names; it takes no state unless a subclass says which."""

    def __setstate__(self, state: Any) -> None:
        _refuse(f"a state for {type(self).__name__}")


class _Type(_Inert):
    """Stands in for ``numpy.dtype``."""

    def __init__(self, code: str, align: bool = False, copy: bool = True) -> None:
        if code not in NUMERIC_TYPES and code != "O8":
            _refuse(f"the type {code!r}")
        self.code, self.order = code, "|"

    def __setstate__(self, state: Any) -> None:
        _version, order, subtype, names, fields, *_sizes_and_flags = state
        if order not in ("<", ">", "|", "=") or (subtype, names, fields) != (None, None, None):
            _refuse("a structured type")
        self.order = order

    def numbers(self, raw: Any) -> NDArray[Any]:
        """The numbers that stand in some bytes."""
        if self.code == "O8" or not isinstance(raw, bytes):
            _refuse("an array of objects in place of numbers")
        return np.frombuffer(raw, dtype=np.dtype(self.order + self.code)).copy()


class _Scalar(_Inert):
    """Stands in for the function that rebuilds a NumPy number."""

    def __init__(self, dtype: _Type, raw: bytes) -> None:
        (self.value,) = dtype.numbers(raw)


class _Array(_Inert):
    """Stands in for ``numpy.ndarray`` and for the function that makes an empty one, whose state follows."""

    value: NDArray[Any] | list[Any]

    def __init__(self, kind: Any, shape: Any, code: Any) -> None:
        self.value = []

    def __setstate__(self, state: Any) -> None:
        _version, shape, dtype, fortran_order, raw = state
        if not isinstance(dtype, _Type):
            _refuse("an array without a type")
        if isinstance(raw, list):
            if dtype.code != "O8" or len(raw) != math.prod(shape):
                _refuse("a list in place of an array")
            self.value = raw
        else:
            self.value = dtype.numbers(raw).reshape(shape, order="F" if fortran_order else "C")


_STAND_INS: dict[tuple[str, str], type[_Inert]] = {
    (f"{package}{module}", name): stand_in
    for package in ("numpy.core.", "numpy._core.")
    for module, name, stand_in in (("multiarray", "_reconstruct", _Array), ("multiarray", "scalar", _Scalar))
} | {("numpy", "ndarray"): _Array, ("numpy", "dtype"): _Type}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module_name: str, global_name: str) -> type[_Inert]:
        if (module_name, global_name) not in _STAND_INS:
            _refuse(f"{module_name}.{global_name}")
        return _STAND_INS[module_name, global_name]


def _plain(value: Any) -> Any:
    """What a stand-in stands for; lists are followed one level deep, as far as a result file nests them."""
    if isinstance(value, list):
        return [_unwrapped(item) for item in value]
    return _unwrapped(value)


def _unwrapped(value: Any) -> Any:
    return value.value if isinstance(value, _Array | _Scalar) else value


def _refuse(what: str) -> NoReturn:
    raise _Refused(what)


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

    Raises:
        DataError: fewer than 2 images, or a score that is not finite.
        OSError: the file cannot be written.
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
        for figure in AUTHORS_FIGURES
        for suffix in AUTHORS_SUFFIXES.values()
    }
    return AuthorsResults(predictions, QualityScores(**mapping), figures)


def _numbers(content: dict[str, Any], key: str, path: Path) -> list[float]:
    return [float(value) for value in _column(content, key, path, size=len(AUTHORS_SUFFIXES))]


def _column(content: dict[str, Any], key: str, path: Path, size: int | None = None) -> NDArray[np.float64]:
    """The numbers under a key, flat."""
    if key not in content:
        raise DataError(f"{path} has no {key!r}: it is not a result file of the paper's tools.")
    try:
        column = np.asarray(content[key], dtype=np.float64).ravel()
    except (TypeError, ValueError) as cause:
        raise DataError(f"{path}: {key!r} does not hold numbers. Copy the file again.") from cause
    if size is not None and len(column) != size:
        raise DataError(f"{path}: {key!r} must hold {size} number{'s' if size > 1 else ''}, not {len(column)}.")
    return column
