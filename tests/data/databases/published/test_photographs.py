"""Oracle: KonIQ-10k's official file and its published figures; generated releases whose values are known."""

import shutil

import numpy as np
import openpyxl
import pytest
import scipy.io

import releases
from layouts import make_clive, make_koniq
from linearityiqa.data.databases.published import release
from linearityiqa.data.databases.published.photographs import (
    MOS_PER_RATING,
    read_biq2021,
    read_clive,
    read_koniq,
    read_spaq,
)
from linearityiqa.errors import DataError

OFFICIAL = "paper/koniq10k_distributions_sets.csv"


def test_koniq_columns_and_splits(tmp_path):
    path = make_koniq(tmp_path, 20)
    labels = read_koniq(path)
    assert {name: len(rows) for name, rows in labels.splits.items()} == {"train": 12, "val": 4, "test": 4}
    assert (labels.scale.low, labels.scale.high) == (1, 100)
    assert np.allclose(labels.mos_std, 0.5 * 27.82)
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


def test_koniq_of_the_databases_page_has_no_split(tmp_path):
    path = tmp_path / "koniq10k_scores_and_distributions.csv"
    path.write_text(
        '"image_name","c1","c2","c3","c4","c5","c_total","MOS","SD","MOS_zscore"\n'
        "1.jpg,0,0,25,73,7,105,3.828571429,0.527278,77.38362\n2.jpg,0,3,45,47,1,96,3.479,0.58,68.7286\n"
    )
    labels = read_koniq(path)
    assert labels.splits is None
    assert labels.mos.tolist() == [77.38362, 68.7286]
    assert labels.mos_std[0] == pytest.approx(27.82 * 0.527278)


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
    "damage",
    [lambda b: b"", lambda b: b"garbage" * 100, lambda b: b"\x89HDF\r\n\x1a\n" + bytes(600), lambda b: b[:-20]],
)
def test_a_damaged_file_is_named(clive, damage):
    clive.write_bytes(damage(clive.read_bytes()))
    with pytest.raises(DataError, match=r"AllMOS_release\.mat"):
        read_clive(clive)


NAMES = np.array([[np.array(["1.bmp"])]] * 9 + [[np.array([3.0])]] + [[np.array(["2.bmp"])]] * 9, dtype=object)


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("AllMOS", {"MOS": np.ones((1, 19))}, r"no variable AllMOS_release of class double; it has MOS \(double\)"),
        ("AllMOS", {"AllMOS_release": "text"}, r"it has AllMOS_release \(char\)"),
        ("AllMOS", {"AllMOS_release": np.ones((1, 18))}, "19 image names, 18 scores and 19 standard deviations"),
        ("AllMOS", {"AllMOS_release": np.array([[1.0] * 8 + [np.nan] * 11])}, r"image 2: MOS of 2\.bmp is nan"),
        ("AllImages", {"AllImages_release": NAMES}, "entry 10 is not an image name"),
    ],
)
def test_other_content_is_refused(clive, name, content, sentence):
    scipy.io.savemat(clive.with_name(f"{name}_release.mat"), content)
    with pytest.raises(DataError, match=sentence):
        read_clive(clive)


def test_large_files_are_refused_unread(clive, monkeypatch):
    monkeypatch.setattr(release, "MAX_MAT_BYTES", 10)
    with pytest.raises(DataError, match="more than 10 bytes"):
        read_clive(clive)


def test_biq_has_its_official_split(tmp_path):
    labels = read_biq2021(releases.make_biq(tmp_path))
    assert {name: rows.tolist() for name, rows in labels.splits.items()} == {
        "train": list(range(8)),
        "val": [],
        "test": [8, 9, 10, 11],
    }
    assert labels.names[8] == "ss01 (9).jpg"
    assert labels.mos[8] == 0.0009
    for part in ("Train", "Test"):
        shutil.move(tmp_path / f"{part} (Images and MOS).csv", tmp_path / f"{part}.csv")
    assert read_biq2021(tmp_path / "Train.csv").names == labels.names


def test_spaq_as_workbook_and_saved_as_csv(tmp_path):
    path = releases.make_spaq(tmp_path)
    labels = read_spaq(path)
    assert labels.names == tuple(f"{number:05d}.jpg" for number in range(1, 7))
    assert labels.mos.tolist() == [10.5 * number for number in range(1, 7)]
    assert labels.mos_std is None
    assert labels.others["colorfulness"] == ("51.5",) * 6
    saved = path.with_suffix(".csv")
    rows = openpyxl.load_workbook(path).active.iter_rows(values_only=True)
    saved.write_text("\n".join(",".join(map(str, row)) for row in rows))
    assert read_spaq(saved).mos.tolist() == labels.mos.tolist()
    assert read_spaq(saved).others == labels.others
