"""The label files of the LinearityIQA authors: ``<name>info.mat``, MATLAB 7.3 and so HDF5."""

import math
import struct
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from linearityiqa.data.databases.labels import MAX_NAME, Labels, OnFault, check_count, place, refuse
from linearityiqa.data.databases.splits import SPLITS, rows_by_order
from linearityiqa.errors import DataError
from linearityiqa.extras import require
from linearityiqa.files import atomic_path
from linearityiqa.quality import QualityScale

HEADER_BYTES = 512
_TEXT = b"MATLAB 7.3 MAT-file, Platform: GLNXA64, written by linearityiqa HDF5 schema 1.00 ."


def write_info_mat(
    path: Path, labels: Labels, names: tuple[str, ...], *, splits: int, seed: int, opinion_factor: float = 1.0
) -> tuple[float, float]:
    """Write im_names, subjective_scores, subjective_scoresSTD, ref_ids and index, as `read_info_mat` describes them.

    References are numbered from 1 in the order in which they first appear; where they are not known, each image is a
    reference. The first column of index is the split of the labels, if they have one, with references in random order
    inside each part; the other columns are random orders, from ``default_rng([seed, column])``. Deviations that are not
    known are written as nan, others divided by `opinion_factor`. The file is written atomically.

    Returns:
        The train_ratio and train_and_val_ratio that cut the first column into the split of the labels, or else the
        usual 0.6 and 0.8.
    """
    h5py: Any = require("h5py", "train")
    codes: dict[str, int] = {}
    numbers = np.array([codes.setdefault(reference, len(codes) + 1) for reference in labels.references or names])
    count = len(codes)
    orders = [np.random.default_rng([seed, column]).permutation(count) + 1 for column in range(splits)]
    ratios = (0.6, 0.8)
    if labels.splits is not None:
        parts = [np.unique(numbers[labels.splits[name]]) for name in SPLITS]
        rng = np.random.default_rng([seed, 0])
        orders[0] = np.concatenate([rng.permutation(part) for part in parts])
        train, val = len(parts[0]), len(parts[1])
        ratios = ((train + 0.5) / count, (train + val + 0.5) / count)  # halfway, so that rounding cannot matter
    deviations = np.full(len(names), np.nan) if labels.mos_std is None else labels.mos_std / opinion_factor
    with atomic_path(path) as temporary:
        with h5py.File(temporary, "w", userblock_size=HEADER_BYTES) as file:
            _write_names(h5py, file, names)
            columns = {
                "subjective_scores": labels.mos[None],
                "subjective_scoresSTD": deviations[None],
                "ref_ids": numbers[None].astype(np.float64),
                "index": np.stack(orders, axis=1).astype(np.float64),
            }
            for name, values in columns.items():
                file.create_dataset(name, data=values).attrs["MATLAB_class"] = np.bytes_("double")
        with temporary.open("r+b") as stream:
            stream.write(_TEXT.ljust(116) + bytes(8) + struct.pack("<H", 0x0200) + b"IM")
    return ratios


def _write_names(h5py: Any, file: Any, names: tuple[str, ...]) -> None:
    """Write a cell array of texts: references to arrays of UTF-16 code units in a group."""
    texts = file.create_group("#refs#")
    cells = file.create_dataset("im_names", (1, len(names)), dtype=h5py.ref_dtype)
    cells.attrs["MATLAB_class"] = np.bytes_("cell")
    references = np.empty((1, len(names)), dtype=h5py.ref_dtype)
    for number, name in enumerate(names):
        units = np.frombuffer(name.encode("utf-16-le"), dtype="<u2")
        text = texts.create_dataset(f"name{number}", data=units[:, None])
        text.attrs["MATLAB_class"] = np.bytes_("char")
        text.attrs["MATLAB_int_decode"] = np.int32(2)
        references[0, number] = text.ref
    cells[...] = references


MAX_CHUNK_BYTES = 1 << 28
"""Largest compressed block of the file that is unpacked."""


def read_info_mat(
    path: Path,
    scale: QualityScale | None,
    *,
    exp_id: int,
    ratios: tuple[float, float],
    opinion_factor: float = 1.0,
    on_fault: OnFault = refuse,
) -> Labels:
    """Read names, scores and one of the file's random splits.

    Layout, as h5py sees it: ``im_names`` (1, N) references to UTF-16 code units, ``subjective_scores`` (1, N),
    ``subjective_scoresSTD`` (1, N), ``ref_ids`` (1, N), ``index`` (R, K), each column of which orders the R distinct
    references.

    Args:
        path: the file.
        scale: the scale of the database's scores; None for their range.
        exp_id: column ``exp_id % K`` is the split.
        ratios: of the references in the column, the first ``int(ratios[0] * R)`` are for training, those up to
            ``int(ratios[1] * R)`` for validation, the rest for testing.
        opinion_factor: brings the standard deviations to the scale of the scores.
        on_fault: called with scores and deviations that are not valid, and references in two splits.
    """
    h5py = require("h5py", "train")
    try:
        with h5py.File(path, "r", locking="best-effort") as file:  # read-only network disks cannot lock
            mos = _row(file, "subjective_scores", path)
            names = _names(file, len(mos), path)
            mos_std = _row(file, "subjective_scoresSTD", path) * opinion_factor
            ref_ids = _row(file, "ref_ids", path)
            order = _column(file, exp_id, path)
    except (OSError, RuntimeError, KeyError, TypeError, ValueError) as cause:  # what h5py raises for damaged files
        raise DataError(f"{path} cannot be read as a MATLAB 7.3 file: {cause}. Copy the file again.") from cause
    for column, values in (("subjective_scoresSTD", mos_std), ("ref_ids", ref_ids)):
        if len(values) != len(mos):
            raise DataError(f"{path} has {len(mos)} scores but {len(values)} values in {column}. Copy the file again.")
    if len(np.unique(order)) != len(order) or not np.isin(ref_ids, order).all():
        raise DataError(
            f"{path}: split {exp_id} in index does not hold every reference of ref_ids exactly once. "
            "Copy the file again, or choose another exp_id."
        )
    if scale is None:
        low, high = float(mos.min()), float(mos.max())
        if not low < high:
            raise DataError(f"the scores in {path} are all the same, or no numbers. Check the file.")
        scale = QualityScale(low=low, high=high, note=f"range observed in {path.name}")
    return Labels(
        file=path,
        names=names,
        mos=mos,
        scale=scale,
        mos_std=mos_std,
        references=tuple(f"{ref_id:.15g}" for ref_id in ref_ids),
        splits=rows_by_order(ref_ids, order, *ratios),
        on_fault=on_fault,
    )


def _dataset(file: Any, name: str, path: Path) -> Any:
    """Return a data set of the file itself: links and storage that lead to other files are refused."""
    import h5py

    link = file.get(name, getlink=True)
    if not isinstance(link, h5py.HardLink):
        fault = "has no" if link is None else "links elsewhere for"
        raise DataError(f"{path} {fault} {name}; it is not an info.mat of LinearityIQA. Copy the file again.")
    return _stored_here(file[name], name, path)


def _stored_here(item: Any, name: str, path: Path) -> Any:
    import h5py

    if not isinstance(item, h5py.Dataset) or item.is_virtual or item.external or item.shape is None:
        raise DataError(f"{path}: {name} is not an array stored in this file. Copy the file again.")
    if item.chunks is not None and math.prod(item.chunks) * item.dtype.itemsize > MAX_CHUNK_BYTES:
        raise DataError(
            f"{path}: {name} is stored in blocks of more than {MAX_CHUNK_BYTES} bytes. Copy the file again."
        )
    return item


def _row(file: Any, name: str, path: Path) -> NDArray[np.float64]:
    """Return a (1, N) data set of numbers as (N,)."""
    item = _matrix(file, name, path)
    if item.shape[0] != 1:
        raise DataError(f"{path}: {name} is {item.dtype} {item.shape}, not one row of numbers. Copy the file again.")
    check_count(path, item.shape[1])
    return np.asarray(item[0, :], dtype=np.float64)


def _column(file: Any, exp_id: int, path: Path) -> NDArray[np.float64]:
    """Return the order of the references in split `exp_id`, shape (R,)."""
    item = _matrix(file, "index", path)
    check_count(path, item.shape[0])
    return np.asarray(item[:, exp_id % item.shape[1]], dtype=np.float64)


def _matrix(file: Any, name: str, path: Path) -> Any:
    """Return a data set of numbers with two dimensions."""
    item = _dataset(file, name, path)
    if item.ndim != 2 or item.shape[1] < 1 or item.dtype.kind not in "fiu":
        raise DataError(f"{path}: {name} is {item.dtype} {item.shape}, not a table of numbers. Copy the file again.")
    return item


def _names(file: Any, count: int, path: Path) -> tuple[str, ...]:
    """Return the image names, each behind a reference to an array of UTF-16 code units."""
    import h5py

    item = _dataset(file, "im_names", path)
    if item.shape != (1, count) or h5py.check_ref_dtype(item.dtype) is not h5py.Reference:
        raise DataError(f"{path}: im_names is not one row of {count} references to texts. Copy the file again.")
    return tuple(_text(file, reference, row, path) for row, reference in enumerate(item[0, :]))


def _text(file: Any, reference: Any, row: int, path: Path) -> str:
    where = place(path, row)
    if not reference:
        raise DataError(f"{where}: the name is missing. Copy the file again.")
    item = _stored_here(file[reference], "a name", path)
    if item.dtype != np.uint16 or item.size > MAX_NAME:
        raise DataError(f"{where}: the name is {item.dtype} {item.shape}, not a text. Copy the file again.")
    return bytes(np.asarray(item[()], dtype="<u2").tobytes()).decode("utf-16-le")
