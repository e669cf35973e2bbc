import numpy as np
import pytest

from linearityiqa.data import Database, ImageTable
from linearityiqa.errors import DataError
from linearityiqa.quality import QualityScale


@pytest.fixture
def table(tmp_path):
    return ImageTable(
        names=("a.png", "b/c.png", "d.png", "e.png"),
        mos=np.array([1.0, 2.0, 3.0, 4.0]),
        root=tmp_path,
        mos_std=np.array([0.1, 0.2, 0.3, 0.4]),
        references=("r", "r", "s", "t"),
        common_size=(500, 500),
    )


@pytest.fixture
def database(table):
    splits = {"train": np.array([0, 1]), "val": np.array([3]), "test": np.array([], dtype=np.int64)}
    return Database(name="demo", table=table, scale=QualityScale(low=1, high=4), splits=splits)


def test_subset_takes_the_same_rows_of_every_column(table):
    part = table.subset([2, 0])
    assert part.names == ("d.png", "a.png")
    assert part.mos.tolist() == [3, 1]
    assert part.mos_std.tolist() == [0.3, 0.1]
    assert part.references == ("s", "r")
    assert part.common_size == table.common_size
    assert part.path(0) == table.root / "d.png"


@pytest.mark.parametrize("count", [0, 2, 9])
def test_head_is_a_prefix_and_stops_at_the_end(table, count):
    assert table.head(count).names == table.names[:count]


def test_columns_without_values_stay_without(tmp_path):
    part = ImageTable(names=("a", "b"), mos=np.array([1.0, 2.0]), root=tmp_path).subset([1])
    assert part.mos_std is None
    assert part.references is None


def test_columns_of_unequal_length_are_refused(tmp_path):
    with pytest.raises(DataError, match="2 image names has 1 values of mos"):
        ImageTable(names=("a", "b"), mos=np.array([1.0]), root=tmp_path)


def test_all_is_the_whole_table_in_file_order(database, table):
    assert database.split("all").names == table.names
    assert database.split("train").names == ("a.png", "b/c.png")


@pytest.mark.parametrize(("split", "count"), [("val", "1 image,"), ("test", "0 images,")])
def test_a_split_of_fewer_than_two_images_is_refused_by_name(database, split, count):
    with pytest.raises(DataError, match=f"the {split} split of demo has {count}"):
        database.split(split)
