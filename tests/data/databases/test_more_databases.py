"""Oracle: generated databases in their published layouts."""

import pytest

from layouts import make_clive, make_koniq, make_photos
from linearityiqa.config import DataConfig
from linearityiqa.data.databases.opening import open_databases
from linearityiqa.errors import DataError


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A current folder with KonIQ-10k, CLIVE and mine.csv."""
    monkeypatch.chdir(tmp_path)
    make_koniq(tmp_path, 20)
    make_clive(tmp_path / "CLIVE", 12)
    (tmp_path / "CLIVE" / "Images").rename(tmp_path / "Images")
    (tmp_path / "CLIVE" / "Data").rename(tmp_path / "Data")
    (tmp_path / "CLIVE").rmdir()
    (tmp_path / "CLIVE").symlink_to(tmp_path / "Images")
    names = [f"{i}.png" for i in range(4)]
    make_photos(tmp_path / "images", names)
    rows = [f"{name},{i / 4},{'train' if i < 2 else 'val'}" for i, name in enumerate(names)]
    (tmp_path / "mine.csv").write_text("\n".join(["image_name,mos,split", *rows]) + "\n")
    return tmp_path


def test_each_is_opened_by_its_own_rules(here):
    found = open_databases(DataConfig(more_datasets=("CLIVE", "mine.csv")), seed=3)
    assert [database.name for database in found] == ["KonIQ-10k", "CLIVE", "mine"]
    assert [len(database.table) for database in found] == [20, 12, 4]
    assert found[1].table.common_size == (500, 500)
    assert found[2].splits["train"].tolist() == [0, 1]


def test_image_dir_is_the_first_ones_alone(here):
    (here / "elsewhere").mkdir()
    (here / "images").rename(here / "elsewhere" / "images")
    config = DataConfig(dataset="mine.csv", image_dir=here / "elsewhere" / "images", more_datasets=("CLIVE",))
    assert open_databases(config, seed=0)[1].table.root.resolve() == here / "Images"


def test_training_on_what_the_first_is_tested_on_is_refused(here):
    (here / "leak.csv").write_text("image_name,mos,split\n2.png,1,train\n1.png,2,train\n0.png,3,val\n3.png,4,val\n")
    with pytest.raises(DataError, match=r"1 training images of leak are validation or test images of mine.*2\.png"):
        open_databases(DataConfig(dataset="mine.csv", more_datasets=("leak.csv",)), seed=0)
