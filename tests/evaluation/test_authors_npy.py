"""Oracles: the authors' saved figures, NumPy's own reader of files we wrote, and the round trip."""

import dataclasses
import pickle
import struct
from pathlib import Path

import numpy as np
import pytest

from linearityiqa.errors import DataError
from linearityiqa.evaluation import authors_npy, evaluate, read_authors_npy, write_authors_npy
from linearityiqa.evaluation.authors_npy import load_pickled_dict
from linearityiqa.quality import HEADS

FIGURES = ["SROCC", "SROCC1", "SROCC2", "PLCC", "PLCC1", "PLCC2", "RMSE", "RMSE1", "RMSE2"]
SCORES = ["sq", "sq_std", "pq", "pq1", "pq2", "pq_before", "pq1_before", "pq2_before"]
DATABASES = [("KonIQ-10k", 2015), ("CLIVE", 1162)]


@pytest.fixture
def written(tmp_path, some_predictions):
    path = tmp_path / "results.npy"
    write_authors_npy(path, some_predictions, some_predictions.fit_mapping())
    return path


@pytest.mark.parametrize(("database", "n"), DATABASES)
@pytest.mark.parametrize("loss", ["MAE", "MSE", "Norm-in-Norm"])
def test_saved_predictions_of_the_authors_give_their_figures(real_data, database, n, loss):
    saved = read_authors_npy(real_data / f"paper/npy/{database}-{loss}.npy")
    result = evaluate(saved.predictions, saved.mapping)
    assert result.n == n
    assert result.authors_figures() == pytest.approx(saved.figures, abs=1e-6)


@pytest.mark.parametrize(
    ("database", "figures"), [("KonIQ-10k", (0.9371, 0.9465, 5.0416)), ("CLIVE", (0.8342, 0.8492, 14.9416))]
)
def test_figures_of_the_authors_are_those_published(real_data, database, figures):
    saved = read_authors_npy(real_data / f"paper/npy/{database}-Norm-in-Norm.npy")
    fused = evaluate(saved.predictions, saved.mapping).agreement.fused
    assert (fused.srocc, fused.plcc, fused.rmse) == pytest.approx(figures, abs=5e-5)


def test_our_files_have_the_keys_types_and_shapes_of_the_authors(real_data, written):
    # both files were made by trusted hands, so that NumPy's own reader may be the judge
    ours = np.load(written, allow_pickle=True)
    theirs = np.load(real_data / "paper/npy/CLIVE-Norm-in-Norm.npy", allow_pickle=True)
    assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype)
    assert list(ours.item()) == list(theirs.item())
    for key, expected in theirs.item().items():
        value = ours.item()[key]
        assert type(value) is type(expected), key
        if isinstance(expected, np.ndarray):
            assert (value.dtype, value.shape[1:]) == (expected.dtype, expected.shape[1:]), key


def test_round_trip(written, some_predictions):
    mapping = some_predictions.fit_mapping()
    saved = read_authors_npy(written)
    assert saved.mapping == mapping
    assert saved.figures == evaluate(some_predictions, mapping).authors_figures()
    np.testing.assert_array_equal(saved.predictions.mos, some_predictions.mos)
    np.testing.assert_array_equal(saved.predictions.mos_std, some_predictions.mos_std)
    for head in HEADS:
        np.testing.assert_array_equal(
            getattr(saved.predictions.scores, head), getattr(some_predictions.scores, head), err_msg=head
        )
    assert saved.predictions.names[:2] == ("1", "2")


def test_unknown_deviations_are_written_as_nan_and_read_as_unknown(tmp_path, some_predictions):
    without = dataclasses.replace(some_predictions, mos_std=None)
    write_authors_npy(tmp_path / "r.npy", without, without.fit_mapping())
    assert np.isnan(np.load(tmp_path / "r.npy", allow_pickle=True).item()["sq_std"]).all()
    assert read_authors_npy(tmp_path / "r.npy").predictions.mos_std is None


@pytest.mark.parametrize(
    ("key", "change", "message"),
    [
        ("k", None, "has no 'k'"),
        ("pq1", lambda values: values[:-1], "pq1, pq1_before and sq differ in length"),
        ("sq_std", lambda values: values[:-1], "sq has 40 values and sq_std 39"),
        ("pq2", lambda values: values + 1, r"pq2 is not k \* pq2_before \+ b"),
        ("SROCC", lambda value: "high", "'SROCC' does not hold numbers"),
        ("k", lambda values: [np.inf, *values[1:]], "'k' must hold finite numbers"),
        ("k", lambda values: values[:2], "'k' must hold 3 numbers, not 2"),
    ],
)
def test_incomplete_or_contradictory_files_are_refused(written, key, change, message):
    content = np.load(written, allow_pickle=True).item()
    value = content.pop(key)
    if change is not None:
        content[key] = change(value)
    np.save(written, np.array(content, dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match=message):
        read_authors_npy(written)


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
            None,
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
    monkeypatch.setattr(authors_npy, "MAX_BYTES", 100)
    with pytest.raises(DataError, match="more than 100 bytes"):
        load_pickled_dict(saved(tmp_path, {"x": np.zeros(100)}))
