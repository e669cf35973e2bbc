"""Oracles: NumPy's own writer for what must be read, and a tell-tale file for what must not run."""

import pickle
import struct
from pathlib import Path

import numpy as np
import pytest

from linearityiqa.errors import DataError
from linearityiqa.evaluation import safe_npy
from linearityiqa.evaluation.safe_npy import load_pickled_dict

HEADER = (
    b"\x93NUMPY\x01\x00" + struct.pack("<H", 70) + b"{'descr': '|O', 'fortran_order': False, 'shape': ()}".ljust(70)
)


class Malicious:
    """A pickle of it creates a file when an ordinary unpickler reads it."""

    def __init__(self, tell_tale: Path) -> None:
        self.tell_tale = tell_tale

    def __reduce__(self):
        return (Path.touch, (self.tell_tale,))


def saved(tmp_path, content, protocol=4) -> Path:
    """The file that ``np.save`` writes, which pickles with protocol 4 (older versions: 3)."""
    path = tmp_path / "r.npy"
    with path.open("wb") as stream:
        stream.write(HEADER)
        pickle.dump(np.array(content, dtype=object), stream, protocol=protocol)
    return path


@pytest.mark.parametrize("protocol", [3, 4])
def test_what_numpy_saves_is_read(tmp_path, protocol):
    content = {
        "scalar": np.float64(0.1),
        "float32": np.float32(0.5),
        "vector": np.arange(5.0),
        "column": np.arange(4.0)[:, None],
        "fortran": np.asfortranarray(np.arange(6).reshape(2, 3)),
        "big-endian": np.arange(3, dtype=">f8"),
        "empty": np.zeros(0),
        "list": [1.5, np.float64(2.5)],
        "text": "Norm-in-Norm",
        "none": None,
    }
    read = load_pickled_dict(saved(tmp_path, content, protocol=protocol))
    assert list(read) == list(content)
    for key, expected in content.items():
        np.testing.assert_array_equal(read[key], expected, err_msg=key)
    assert read["float32"].dtype == np.float32
    assert all(isinstance(item, float) for item in read["list"])


def test_both_names_of_numpys_modules_are_known(tmp_path):
    path = saved(tmp_path, {"x": np.arange(3.0), "y": np.float64(1)}, protocol=3)
    old, new = b"cnumpy.core.multiarray\n", b"cnumpy._core.multiarray\n"
    content = path.read_bytes().replace(new, old)
    for name in (old, new):
        path.write_bytes(content.replace(old, name))
        np.testing.assert_array_equal(load_pickled_dict(path)["x"], [0, 1, 2])


def test_a_malicious_pickle_does_not_run(tmp_path):
    tell_tale = tmp_path / "it ran"
    path = saved(tmp_path, {"k": Malicious(tell_tale)})
    with pytest.raises(DataError, match=r"is refused: its pickle asks for pathlib.*only arrays and numbers"):
        load_pickled_dict(path)
    assert not tell_tale.exists()
    np.load(path, allow_pickle=True)
    assert tell_tale.exists(), "the pickle is harmless, so that it proves nothing"


@pytest.mark.parametrize(
    "name", ["os system", "builtins eval", "builtins getattr", "numpy load", "numpy.core.multiarray frombuffer"]
)
def test_other_names_are_refused(tmp_path, name):
    path = tmp_path / "r.npy"
    path.write_bytes(HEADER + b"\x80\x02c" + name.replace(" ", "\n").encode() + b"\n.")
    with pytest.raises(DataError, match="is refused"):
        load_pickled_dict(path)


NDARRAY = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\x00\x85C\x01bt\x52"
FLOAT_TYPE = b"cnumpy\ndtype\nX\x02\x00\x00\x00f8\x89\x88\x87\x52"
OBJECT_TYPE = b"cnumpy\ndtype\nX\x02\x00\x00\x00O8\x89\x88\x87\x52"


def test_bytes_are_never_taken_for_addresses_of_objects(tmp_path):
    # NumPy's dtype would let a pickle clear the flag that marks references, and its array would then take raw bytes
    without_flags = OBJECT_TYPE + b"(K\x03X\x01\x00\x00\x00|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    program = NDARRAY + b"(K\x01K\x01\x85" + without_flags + b"\x89C\x08" + b"\x41" * 8 + b"tb."
    path = tmp_path / "r.npy"
    path.write_bytes(HEADER + b"\x80\x03" + program)
    with pytest.raises(DataError, match="array of objects in place of numbers"):
        load_pickled_dict(path)


@pytest.mark.parametrize(
    ("program", "message"),
    [
        (NDARRAY + b"(K\x01K\x05\x85" + OBJECT_TYPE + b"\x89]tb.", "a list in place of an array"),
        (NDARRAY + b"(K\x01K\x05\x85N\x89]tb.", "an array without a type"),
        (b"cnumpy\ndtype\nX\x03\x00\x00\x00V99\x89\x88\x87\x52.", "the type 'V99'"),
        (
            b"cnumpy\ndtype\nX\x02\x00\x00\x00f8\x89\x88\x87\x52(K\x03X\x01\x00\x00\x00<NX\x01\x00\x00\x00aNNNNtb.",
            "a structured type",
        ),
        (b"cnumpy.core.multiarray\nscalar\n}b.", None),
        (
            b"cnumpy.core.multiarray\nscalar\n" + FLOAT_TYPE + b"C\x08" + bytes(8) + b"\x86\x52}b.",
            "a state for _Scalar",
        ),
        (b"Nr\xff\xff\xff\x7f.", "memory at place 2147483647"),
        (b"N0" * 6000 + b"N.", "more than 10000 steps"),
        (b"B\xff\xff\xff\x7fabc.", None),
        (b"N.", "holds no dictionary"),
        (b"N", None),
        (b"", None),
        (b"\xff", None),
    ],
)
def test_damaged_or_crafted_pickles_are_refused(tmp_path, program, message):
    path = tmp_path / "r.npy"
    path.write_bytes(HEADER + b"\x80\x03" + program)
    with pytest.raises(DataError, match=message or "r.npy"):
        load_pickled_dict(path)


def test_every_truncation_is_refused(tmp_path):
    whole = saved(tmp_path, {"x": np.arange(3.0), "k": [1.0, 2.0]}).read_bytes()
    path = tmp_path / "part.npy"
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        with pytest.raises(DataError, match=r"part\.npy"):
            load_pickled_dict(path)


def test_arrays_of_numbers_and_other_files_are_refused(tmp_path):
    np.save(tmp_path / "numbers.npy", np.arange(3.0))
    with pytest.raises(DataError, match="not one dictionary"):
        load_pickled_dict(tmp_path / "numbers.npy")
    (tmp_path / "text.npy").write_text("image_name,mos\n")
    with pytest.raises(DataError, match="is not a result file"):
        load_pickled_dict(tmp_path / "text.npy")


def test_missing_file_and_folder_are_named(tmp_path):
    with pytest.raises(DataError, match=r"cannot read .*none\.npy: No such file"):
        load_pickled_dict(tmp_path / "none.npy")
    with pytest.raises(DataError, match=r"cannot read .*directory"):
        load_pickled_dict(tmp_path)


def test_enormous_files_are_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(safe_npy, "MAX_BYTES", 100)
    with pytest.raises(DataError, match="more than 100 bytes"):
        load_pickled_dict(saved(tmp_path, {"x": np.zeros(100)}))


def test_reading_twice_gives_the_same(tmp_path):
    # a pickle must not be able to leave a trace in the reader
    good = saved(tmp_path, {"x": np.arange(3.0)})
    bad = tmp_path / "bad.npy"
    bad.write_bytes(HEADER + b"\x80\x03cnumpy\ndtype\n}X\x04\x00\x00\x00codeNsb.")
    with pytest.raises(DataError):
        load_pickled_dict(bad)
    np.testing.assert_array_equal(load_pickled_dict(good)["x"], [0, 1, 2])
