"""Oracle: KonIQ-10k's official file and its published figures; generated releases whose values are known."""

import numpy as np
import pytest
import scipy.io

from layouts import make_clive, make_koniq
from linearityiqa.data.databases import releasefiles
from linearityiqa.data.databases.published.photographs import MOS_PER_RATING, read_clive, read_koniq
from linearityiqa.errors import DataError

OFFICIAL = "paper/koniq10k_distributions_sets.csv"


def test_columns_and_splits(tmp_path):
    labels = read_koniq(make_koniq(tmp_path, 20))
    assert {name: len(rows) for name, rows in labels.splits.items()} == {"train": 12, "val": 4, "test": 4}
    assert (labels.scale.low, labels.scale.high) == (1, 100)
    assert np.allclose(labels.mos_std, 0.5 * 27.82)
    assert all(labels.scale.contains(mos) for mos in labels.mos)


def test_a_missing_column_is_named(tmp_path):
    path = make_koniq(tmp_path)
    path.write_text(path.read_text().replace("SD,set", "SD,part"))
    with pytest.raises(DataError, match=r"sets\.csv has no column set; its columns are image_name, c1"):
        read_koniq(path)


def test_the_official_file(real_data):
    labels = read_koniq(real_data / OFFICIAL)
    assert {name: len(rows) for name, rows in labels.splits.items()} == {"train": 7058, "val": 1000, "test": 2015}
    assert labels.names[0] == "10004473376.jpg"
    assert labels.mos[0] == pytest.approx(77.3836206897)
    assert all(labels.scale.contains(mos) for mos in labels.mos)


def test_standard_deviations_are_on_the_scale_of_mos(real_data):
    """Oracle: the factor is the least-squares slope of MOS on the mean of the rating distribution c1..c5."""
    table = np.genfromtxt(real_data / OFFICIAL, delimiter=",", skip_header=1, usecols=range(1, 9))
    mean_rating = table[:, :5] @ np.arange(1, 6)
    slope = np.polyfit(mean_rating, table[:, 6], 1)[0]
    assert slope == pytest.approx(MOS_PER_RATING, abs=0.005)
    assert np.allclose(read_koniq(real_data / OFFICIAL).mos_std, table[:, 7] * MOS_PER_RATING)


@pytest.fixture
def clive(tmp_path):
    return make_clive(tmp_path, 12)


def test_the_training_examples_are_not_used(clive):
    labels = read_clive(clive)
    assert labels.names == tuple(f"{i}.bmp" for i in range(1, 13))
    assert labels.mos.tolist() == scipy.io.loadmat(clive)["AllMOS_release"][0, 7:].tolist()
    assert labels.mos_std.min() >= 5
    assert (labels.scale.low, labels.scale.high) == (0, 100)
    assert labels.splits is None


@pytest.mark.parametrize("name", ["AllImages_release.mat", "AllStdDev_release.mat", "AllMOS_release.mat"])
def test_a_missing_file_is_named(clive, name):
    clive.with_name(name).unlink()
    with pytest.raises(DataError, match=f"lacks .*{name}"):
        read_clive(clive)


@pytest.mark.parametrize(
    "content", [b"", b"garbage" * 100, b"\x89HDF\r\n\x1a\n" + bytes(600)], ids=["empty", "text", "hdf5"]
)
def test_a_damaged_file_is_named(clive, content):
    clive.write_bytes(content)
    with pytest.raises(DataError, match=r"AllMOS_release\.mat"):
        read_clive(clive)


def test_a_truncated_file_is_named(clive):
    clive.write_bytes(clive.read_bytes()[:-20])
    with pytest.raises(DataError, match=r"AllMOS_release\.mat cannot be read"):
        read_clive(clive)


def test_another_variable_or_class_is_refused(clive):
    scipy.io.savemat(clive, {"MOS": np.ones((1, 19))})
    with pytest.raises(DataError, match=r"no variable AllMOS_release of class double; it has MOS \(double\)"):
        read_clive(clive)
    scipy.io.savemat(clive, {"AllMOS_release": "text"})
    with pytest.raises(DataError, match=r"it has AllMOS_release \(char\)"):
        read_clive(clive)


def test_files_of_unequal_length_are_refused(clive):
    scipy.io.savemat(clive, {"AllMOS_release": np.ones((1, 18))})
    with pytest.raises(DataError, match="19 image names, 18 scores and 19 standard deviations"):
        read_clive(clive)


def test_a_name_that_is_no_text_is_refused(clive):
    path = clive.with_name("AllImages_release.mat")
    cells = scipy.io.loadmat(path)["AllImages_release"]
    cells[9, 0] = np.array([[3.0]])
    scipy.io.savemat(path, {"AllImages_release": cells})
    with pytest.raises(DataError, match="entry 10 is not an image name"):
        read_clive(clive)


def test_a_score_that_is_not_finite_is_named(clive):
    mos = scipy.io.loadmat(clive)["AllMOS_release"]
    mos[0, 8] = np.nan
    scipy.io.savemat(clive, {"AllMOS_release": mos})
    with pytest.raises(DataError, match=r"AllMOS_release\.mat, image 2: MOS of 2\.bmp is nan"):
        read_clive(clive)


def test_large_files_are_refused_unread(clive, monkeypatch):
    monkeypatch.setattr(releasefiles, "MAX_MAT_BYTES", 10)
    with pytest.raises(DataError, match="more than 10 bytes"):
        read_clive(clive)
