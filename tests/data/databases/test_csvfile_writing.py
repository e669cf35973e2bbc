"""Oracle: what was written is read back by the readers of every command."""

import numpy as np
import pytest

from layouts import make_clive
from linearityiqa.config import DataConfig
from linearityiqa.data.databases.csvfile import read_csv, write_csv
from linearityiqa.data.databases.opening import names_for, open_database, open_label_file, open_labels
from linearityiqa.errors import DataError
from releases import make_kadid, make_tid


@pytest.fixture
def labels(tmp_path):
    path = tmp_path / "in.csv"
    path.write_text(
        "image_name,mos,mos_std,split,reference,camera\n"
        "a b.png,0.1,0.30000000000000004,train,r,x\n"
        '"c,d.png",3.3333333333333335,1e-17,test,s,"y ""z"""\n'
        "é.png,2,0,val,t,\n"
    )
    return read_csv(path, others=True)


def test_everything_survives(labels, tmp_path):
    write_csv(tmp_path / "out.csv", labels, labels.names, labels.splits)
    again = read_csv(tmp_path / "out.csv", others=True)
    assert again.names == labels.names
    assert again.mos.tolist() == labels.mos.tolist()
    assert again.mos_std.tolist() == labels.mos_std.tolist()
    assert again.references == labels.references
    assert {k: v.tolist() for k, v in again.splits.items()} == {k: v.tolist() for k, v in labels.splits.items()}
    assert again.others == labels.others == {"camera": ("x", 'y "z"', "")}


def test_nothing_is_overwritten_unasked(labels, tmp_path):
    path = tmp_path / "out.csv"
    path.write_text("mine")
    with pytest.raises(DataError, match="already exists"):
        write_csv(path, labels, labels.names, None)
    assert path.read_text() == "mine"
    write_csv(path, labels, labels.names, None, force=True)
    assert read_csv(path).splits is None


def test_a_row_without_a_split_is_refused(labels, tmp_path):
    with pytest.raises(DataError, match="row 3 is in no split"):
        write_csv(tmp_path / "out.csv", labels, labels.names, {"train": np.array([0, 1])})
    assert not (tmp_path / "out.csv").exists()


@pytest.mark.parametrize("make", [make_kadid, make_tid])
@pytest.mark.parametrize("place", ["release", "release/images", ".", "elsewhere"])
def test_the_written_file_finds_its_images(make, place, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "release").mkdir()
    path = make(tmp_path / "release")
    output = tmp_path / place / "labels.csv"
    source = open_label_file(path, DataConfig(dataset=str(path)))
    names = names_for(output, source)
    write_csv(output, source.labels, names.names, None)
    database = open_database(DataConfig(dataset=str(output), image_dir=names.image_dir), seed=0)
    assert len(database.table) == 20
    assert database.table.path(0).is_file()
    assert names.found
    assert (names.image_dir is None) == (
        place in ("release", ".") or (place == "release/images" and make is make_kadid)
    )


def test_images_behind_a_soft_link_stay_behind_it(tmp_path, here):
    make_clive(tmp_path / "disk" / "ChallengeDB_release", 9)
    (here / "CLIVE").symlink_to(tmp_path / "disk" / "ChallengeDB_release" / "Images")
    names = names_for(here / "clive.csv", open_labels(DataConfig(dataset="CLIVE")))
    assert names.image_dir is None
    assert names.names[0] == "CLIVE/1.bmp"


def test_missing_images_keep_their_names(labels, tmp_path, caplog):
    source = open_labels(DataConfig(dataset=str(tmp_path / "in.csv")))
    names = names_for(tmp_path / "out.csv", source)
    assert (names.names, names.found) == (labels.names, False)
    assert "3 of the 3 images" in caplog.text
