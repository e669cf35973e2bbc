"""Labels as the LinearityIQA authors' ``info.mat``, which their programs and MATLAB 7.3 read."""

import struct
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from linearityiqa.data.databases.labels import Labels
from linearityiqa.data.databases.splits import SPLITS
from linearityiqa.extras import require
from linearityiqa.files import atomic_path

HEADER_BYTES = 512
_TEXT = b"MATLAB 7.3 MAT-file, Platform: GLNXA64, written by linearityiqa HDF5 schema 1.00 ."


def write_info_mat(
    path: Path, labels: Labels, names: tuple[str, ...], *, splits: int, seed: int, opinion_factor: float = 1.0
) -> tuple[float, float]:
    """Write im_names, subjective_scores, subjective_scoresSTD, ref_ids and index, as `read_info_mat` describes them.

    References are numbered from 1 in the order in which they first appear; where they are not known, each image is its
    own. The first column of index is the split of the labels, where they have one, with references in random order
    inside each part; the other columns are random orders, from ``default_rng([seed, column])``. Deviations that are not
    known are written as nan.

    Args:
        path: the file; it appears whole or not at all.
        labels: the rows.
        names: their image names.
        splits: columns of index.
        seed: seed of the random orders.
        opinion_factor: what deviations will be multiplied with when the file is read.

    Returns:
        The train_ratio and train_and_val_ratio that cut the first column into the split of the labels, or else the
        usual 0.6 and 0.8.

    Raises:
        MissingExtraError: h5py is not installed.
        OSError: the file cannot be written.
    """
    h5py: Any = require("h5py", "train")
    numbers = _numbered(labels.references or names)
    count = int(numbers.max())
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


def _numbered(references: tuple[str, ...]) -> NDArray[np.int64]:
    codes: dict[str, int] = {}
    return np.array([codes.setdefault(reference, len(codes) + 1) for reference in references])


def _write_names(h5py: Any, file: Any, names: tuple[str, ...]) -> None:
    """A cell array of texts: references to arrays of UTF-16 code units in a group of their own."""
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
