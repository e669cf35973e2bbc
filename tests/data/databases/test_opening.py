"""Oracle: generated databases in their published layouts; the search order of the manual."""

import logging
import shutil
import subprocess
import sys

import numpy as np
import pytest

from layouts import make_authors_layout, make_clive, make_koniq, make_photos
from linearityiqa.config import DataConfig
from linearityiqa.data.databases.opening import open_database, open_databases
from linearityiqa.data.databases.published import KNOWN
from linearityiqa.errors import DataError


def sizes(database):
    return [len(rows) for rows in database.splits.values()]


@pytest.mark.parametrize("inner", ["KonIQ-10k", "KonIQ-10k/1024x768"])
@pytest.mark.parametrize("labels", ["data", "KonIQ-10k", "."])
def test_koniq_is_found_wherever_its_files_lie(here, inner, labels):
    path = make_koniq(here, 10, inner=inner)
    if labels != "data":
        shutil.move(path, here / labels / path.name)
    database = open_database(DataConfig(train_ratio=0.1, train_and_val_ratio=0.2), seed=0)
    assert database.name == "KonIQ-10k"
    assert sizes(database) == [6, 2, 2]  # the official split
    assert database.table.path(9).is_file()
    assert database.table.common_size is None


@pytest.mark.parametrize("named", [None, "koniq", "koniq/1024x768"])
def test_koniq_elsewhere_with_labels_in_the_parent_of_its_images(here, tmp_path, named):
    """Through a soft link, or as --image_dir."""
    path = make_koniq(tmp_path / "disk", 10, inner="koniq/1024x768")
    shutil.move(path, tmp_path / "disk" / "koniq" / path.name)
    if named is None:
        (here / "KonIQ-10k").symlink_to(tmp_path / "disk" / "koniq" / "1024x768")
    database = open_database(DataConfig(image_dir=None if named is None else tmp_path / "disk" / named), seed=0)
    assert len(database.table) == 10
    assert database.table.root.resolve() == tmp_path / "disk" / "koniq" / "1024x768"


def test_koniq_with_info_mat_keeps_the_authors_ratios_and_says_so(here, caplog):
    make_authors_layout(here, "KonIQ-10k", 20)
    make_koniq(here, 20)  # the official labels are there, too: info.mat comes first
    with caplog.at_level(logging.INFO):
        database = open_database(DataConfig(train_ratio=0.1, train_and_val_ratio=0.2), seed=0)
    assert sizes(database) == [int(20 * 7058 / 10073), 15 - 14, 20 - int(20 * 8058 / 10073)]
    assert np.allclose(database.table.mos_std, 27.82 * 0.5)
    assert "train_ratio and train_and_val_ratio are unused" in caplog.text


@pytest.mark.parametrize("target", ["ChallengeDB_release/Images", "ChallengeDB_release"])
@pytest.mark.parametrize("how", ["link", "image_dir"])
def test_clive_official_release(here, tmp_path, target, how):
    make_clive(tmp_path / "ChallengeDB_release", 10)
    folder = tmp_path / target
    if how == "link":
        (here / "CLIVE").symlink_to(folder)
    database = open_database(DataConfig(dataset="CLIVE", image_dir=folder if how == "image_dir" else None), seed=3)
    assert sizes(database) == [6, 2, 2]
    assert database.table.common_size == (500, 500)
    assert database.table.path(0).name == "1.bmp"


@pytest.mark.parametrize("info", [True, False])
def test_all_of_clive_is_tested_with_ratios_zero(here, info):
    make_clive(here / "CLIVE", 10)
    if info:
        make_authors_layout(here, "CLIVE", 10)
    config = DataConfig(dataset="CLIVE", train_ratio=0.0, train_and_val_ratio=0.0)
    database = open_database(config, seed=0)
    assert sizes(database) == [0, 0, 10]
    assert database.split("test").names == database.table.names
    with pytest.raises(DataError, match="the train split of CLIVE has 0 images"):
        database.split("train")


def test_csv_beside_its_images_and_with_image_dir(here):
    names = ["a.png", "sub/b.png", "c.png"]
    make_photos(here / "photos", names)
    text = "image_name,mos\n" + "".join(f"{name},{i}\n" for i, name in enumerate(names))
    (here / "photos" / "labels.csv").write_text(text)
    (here / "elsewhere.csv").write_text(text)
    beside = open_database(DataConfig(dataset="photos/labels.csv"), seed=0)
    assert beside.name == "labels"
    named = open_database(DataConfig(dataset="elsewhere.csv", image_dir=here / "photos"), seed=0)
    assert beside.table.path(1).samefile(named.table.path(1))
    with pytest.raises(DataError, match=r"3 of the 3 images .* \(a\.png, sub/b\.png, c\.png\).*--image_dir"):
        open_database(DataConfig(dataset="elsewhere.csv"), seed=0)


def test_references_stay_together_in_a_random_split_that_seed_and_exp_id_change(here):
    names = [f"{i}.png" for i in range(30)]
    make_photos(here, names, (2, 2))
    rows = "".join(f"{name},{i},r{i // 3}\n" for i, name in enumerate(names))
    (here / "labels.csv").write_text("image_name,mos,reference\n" + rows)
    splits = set()
    for exp_id, seed in [(0, 1), (1, 1), (0, 2), (0, 1)]:
        config = DataConfig(dataset="labels.csv", train_ratio=0.5, train_and_val_ratio=0.7, exp_id=exp_id)
        database = open_database(config, seed)
        assert sizes(database) == [15, 6, 9]
        homes = [{database.table.references[row] for row in rows} for rows in database.splits.values()]
        assert sum(map(len, homes)) == 10
        splits.add(tuple(database.splits["test"]))
    assert len(splits) == 3


def test_an_unknown_dataset_lists_the_known_ones_and_a_missing_csv_is_a_missing_file(here):
    with pytest.raises(DataError, match=r"unknown dataset 'TID2008'.*KonIQ-10k, CLIVE.*CSV file"):
        open_database(DataConfig(dataset="TID2008"), seed=0)
    with pytest.raises(DataError, match=r"no label file sub/gone\.csv"):
        open_database(DataConfig(dataset="sub/gone.csv"), seed=0)


@pytest.mark.parametrize("name", KNOWN)
def test_a_known_database_that_is_absent_says_where_to_get_it(here, name):
    with pytest.raises(DataError, match=f"labels of {name} are not here") as caught:
        open_database(DataConfig(dataset=name), seed=0)
    message = str(caught.value)
    assert f"data/{name}info.mat" in message
    assert KNOWN[name].source in message
    assert "ln -s /path/to/" in message


def test_labels_without_images_say_where_to_get_them(here):
    make_koniq(here, 10)
    shutil.rmtree(here / "KonIQ-10k")
    with pytest.raises(DataError, match=r"10 of the 10 images .* not in KonIQ-10k, which is no folder.*ln -s"):
        open_database(DataConfig(), seed=0)


def test_the_label_file_of_a_known_database_is_not_read_as_any_csv(here):
    path = make_koniq(here, 10)
    with pytest.raises(DataError, match=r"is a label file of KonIQ-10k\. .*--dataset KonIQ-10k"):
        open_database(DataConfig(dataset=str(path)), seed=0)


def test_databases_open_without_torch_or_pandas(photo_database):
    code = (
        "import sys; from linearityiqa.config import DataConfig;"
        "from linearityiqa.data.databases.opening import open_database;"
        f"open_database(DataConfig(dataset={str(photo_database)!r}), 0);"
        "sys.exit(any(name in sys.modules for name in ('torch', 'pandas', 'scipy', 'h5py')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.fixture
def three_databases(here):
    """A current folder with KonIQ-10k, CLIVE and mine.csv."""
    make_koniq(here, 20)
    make_clive(here, 12)
    (here / "CLIVE").symlink_to(here / "Images")
    names = [f"{i}.png" for i in range(4)]
    make_photos(here / "images", names)
    rows = [f"{name},{i / 4},{'train' if i < 2 else 'val'}" for i, name in enumerate(names)]
    (here / "mine.csv").write_text("\n".join(["image_name,mos,split", *rows]) + "\n")
    return here


def test_each_is_opened_by_its_own_rules(three_databases):
    found = open_databases(DataConfig(more_datasets=("CLIVE", "mine.csv")), seed=3)
    assert [database.name for database in found] == ["KonIQ-10k", "CLIVE", "mine"]
    assert [len(database.table) for database in found] == [20, 12, 4]
    assert found[1].table.common_size == (500, 500)
    assert found[2].splits["train"].tolist() == [0, 1]


def test_image_dir_is_the_first_ones_alone(three_databases):
    (three_databases / "elsewhere").mkdir()
    (three_databases / "images").rename(three_databases / "elsewhere" / "images")
    config = DataConfig(
        dataset="mine.csv", image_dir=three_databases / "elsewhere" / "images", more_datasets=("CLIVE",)
    )
    assert open_databases(config, seed=0)[1].table.root.resolve() == three_databases / "Images"


def test_training_on_what_the_first_is_tested_on_is_refused(three_databases):
    (three_databases / "leak.csv").write_text(
        "image_name,mos,split\n2.png,1,train\n1.png,2,train\n0.png,3,val\n3.png,4,val\n"
    )
    with pytest.raises(DataError, match=r"1 training images of leak are validation or test images of mine.*2\.png"):
        open_databases(DataConfig(dataset="mine.csv", more_datasets=("leak.csv",)), seed=0)
