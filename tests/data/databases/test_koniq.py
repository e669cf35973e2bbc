"""Oracle: the official file's published figures, and a generated file whose values are known."""

import numpy as np
import pytest

from layouts import make_koniq
from linearityiqa.data.databases.published.koniq import MOS_PER_RATING, read_koniq
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
