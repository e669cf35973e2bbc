"""Oracle: a generated release whose values are known."""

import numpy as np
import pytest
import scipy.io

from layouts import make_clive
from linearityiqa.data.databases import infomat
from linearityiqa.data.databases.published.clive import read_clive
from linearityiqa.errors import DataError


@pytest.fixture
def release(tmp_path):
    return make_clive(tmp_path, 12)


def test_the_training_examples_are_not_used(release):
    labels = read_clive(release)
    assert labels.names == tuple(f"{i}.bmp" for i in range(1, 13))
    assert labels.mos.tolist() == scipy.io.loadmat(release)["AllMOS_release"][0, 7:].tolist()
    assert labels.mos_std.min() >= 5
    assert (labels.scale.low, labels.scale.high) == (0, 100)
    assert labels.splits is None


@pytest.mark.parametrize("name", ["AllImages_release.mat", "AllStdDev_release.mat", "AllMOS_release.mat"])
def test_a_missing_file_is_named(release, name):
    release.with_name(name).unlink()
    with pytest.raises(DataError, match=f"lacks .*{name}"):
        read_clive(release)


@pytest.mark.parametrize(
    "content", [b"", b"garbage" * 100, b"\x89HDF\r\n\x1a\n" + bytes(600)], ids=["empty", "text", "hdf5"]
)
def test_a_damaged_file_is_named(release, content):
    release.write_bytes(content)
    with pytest.raises(DataError, match=r"AllMOS_release\.mat"):
        read_clive(release)


def test_a_truncated_file_is_named(release):
    release.write_bytes(release.read_bytes()[:-20])
    with pytest.raises(DataError, match=r"AllMOS_release\.mat cannot be read"):
        read_clive(release)


def test_another_variable_or_class_is_refused(release):
    scipy.io.savemat(release, {"MOS": np.ones((1, 19))})
    with pytest.raises(DataError, match=r"no variable AllMOS_release of class double; it has MOS \(double\)"):
        read_clive(release)
    scipy.io.savemat(release, {"AllMOS_release": "text"})
    with pytest.raises(DataError, match=r"it has AllMOS_release \(char\)"):
        read_clive(release)


def test_files_of_unequal_length_are_refused(release):
    scipy.io.savemat(release, {"AllMOS_release": np.ones((1, 18))})
    with pytest.raises(DataError, match="19 image names, 18 scores and 19 standard deviations"):
        read_clive(release)


def test_a_name_that_is_no_text_is_refused(release):
    path = release.with_name("AllImages_release.mat")
    cells = scipy.io.loadmat(path)["AllImages_release"]
    cells[9, 0] = np.array([[3.0]])
    scipy.io.savemat(path, {"AllImages_release": cells})
    with pytest.raises(DataError, match="entry 10 is not an image name"):
        read_clive(release)


def test_a_score_that_is_not_finite_is_named(release):
    mos = scipy.io.loadmat(release)["AllMOS_release"]
    mos[0, 8] = np.nan
    scipy.io.savemat(release, {"AllMOS_release": mos})
    with pytest.raises(DataError, match=r"AllMOS_release\.mat, image 2: MOS of 2\.bmp is nan"):
        read_clive(release)


def test_large_files_are_refused_unread(release, monkeypatch):
    monkeypatch.setattr(infomat, "MAX_BYTES", 10)
    with pytest.raises(DataError, match="more than 10 bytes"):
        read_clive(release)
