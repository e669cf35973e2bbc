"""Oracle: the files that the commands read and write, looked at here."""

import csv
import json
import re

import pytest
from PIL import Image

from layouts import make_authors_layout, make_koniq
from linearityiqa.cli import main
from pictures import make_picture
from releases import make_csiq, make_kadid

OPTIONS = ("--images", "10", "--height", "96", "--width", "96", "--dead_leaves", "5", "--num_workers", "0", "--quiet")


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def database(here):
    """photos.csv: 12 pictures, the last of which is a copy of the first in another split."""
    (here / "images").mkdir()
    lines = ["image_name,mos,split,camera"]
    for number in range(12):
        make_picture(number % 11, (96, 128)).save(here / "images" / f"{number:02d}.png")
        lines.append(f"{number:02d}.png,{number % 11}.5,{'train' if number < 9 else 'test'},c{number % 2}")
    (here / "photos.csv").write_text("\n".join(lines))
    return here / "photos.csv"


def read(path):
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_make_prints_the_csv_and_says_that_nobody_rated(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["datasets", "make", "--output", "d", *OPTIONS]) == 0
    path, summary = capsys.readouterr().out.splitlines()
    assert path == str(tmp_path / "d" / "labels.csv")
    assert summary.startswith("10 images of 10 references (6 train, 2 val, 2 test), 96 x 96 pixels")
    assert "pseudo-labels" in summary
    assert main(["datasets", "make", "--output", "d", *OPTIONS, "--json"]) == 0
    values = json.loads(capsys.readouterr().out)
    rows = (tmp_path / "d" / "labels.csv").read_text().splitlines()[1:]
    mos = [float(row.split(",")[1]) for row in rows]
    assert values["mos_mean"] == pytest.approx(sum(mos) / 10)
    assert values["pristine"] + values["distorted_once"] + values["distorted_twice"] == values["images"] == 10
    assert main(["datasets", "make", "--output", "d", *OPTIONS, "--seed", "3"]) == 1
    assert "seed 19920517 instead of 3" in capsys.readouterr().err


def test_options_of_graded_versions_are_taken_and_do_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    old = ["--distortions", "jpeg", "resample", "--levels", "2", "--train_ratio", "0.8", "--jpeg"]
    assert main(["datasets", "make", "--output", "d", *OPTIONS, *old]) == 0
    printed = capsys.readouterr()
    assert "10 images of 10 references" in printed.out
    for option in ("distortions", "levels", "train_ratio", "jpeg"):
        assert f"--{option} does nothing any more" in printed.err


def test_versions_of_photographs_are_refused_rather_than_replaced(tmp_path, capsys):
    assert main(["datasets", "make", "--output", str(tmp_path / "d"), "--references", "photos"]) == 2
    assert "train --versions" in capsys.readouterr().err
    assert not (tmp_path / "d").exists()


def test_wrong_calls(capsys):
    assert main(["datasets"]) == 2
    assert main(["datasets", "--help"]) == 0
    assert "convert" in capsys.readouterr().out
    assert main(["datasets", "mkae"]) == 2
    assert (
        "no subcommand 'mkae' (did you mean make?); known: make, list, check, stats, split, convert"
        in capsys.readouterr().err
    )
    assert main(["datasets", "make", "--images", "3"]) == 2
    assert "images must lie in 65" in capsys.readouterr().err


@pytest.mark.parametrize(
    "options",
    [
        ("check", "--scale", "5", "1"),
        ("check", "--listed", "-1"),
        ("check", "--num_workers", "-1"),
        ("stats", "--bins", "0"),
        ("stats", "--output", "a.pdf"),
        ("split", "--folds", "2"),
        ("split", "--output", "a.txt"),
        ("split", "--seed", "-1"),
        ("convert", "--output", "a.txt"),
        ("convert", "--splits", "0"),
    ],
)
def test_options_that_cannot_mean_anything(options):
    assert main(["datasets", *options]) == 2


def test_list_says_what_is_here(here, capsys):
    make_koniq(here, 10)
    assert main(["datasets", "list"]) == 0
    text = capsys.readouterr().out
    assert re.search(r"KonIQ-10k: 10073 images.*?here     yes: KonIQ-10k, labels in data/koniq10k", text, re.DOTALL)
    assert "here     no; get it, then: ln -s /path/to/kadid10k KADID-10k" in text
    assert main(["datasets", "list", "--json"]) == 0
    entries = {entry["name"]: entry for entry in json.loads(capsys.readouterr().out)}
    assert set(entries) == {"KonIQ-10k", "CLIVE", "BIQ2021", "SPAQ", "KADID-10k", "TID2013", "LIVE", "CSIQ"}
    assert all(entry["source"] and entry["licence"] for entry in entries.values())
    assert entries["KonIQ-10k"]["labels_here"] == "data/koniq10k_distributions_sets.csv"
    assert entries["CSIQ"]["labels_here"] is None


def test_check_reports_a_leak_and_exits_with_1(database, capsys):
    command = ["datasets", "check", "--dataset", str(database), "--num_workers", "0", "--quiet"]
    assert main(command) == 1
    out = capsys.readouterr().out
    assert "LEAK between splits: identical files (1)\n  - the same file: 00.png (train), 11.png (test)." in out
    assert re.search(r"1 error, 1 remark; checked in [\d.]+ s", out)
    assert main([*command, "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert (report["images"], report["errors"], report["splits"]) == (12, 1, {"train": 9, "val": 0, "test": 3})
    assert report["findings"][0]["images"] == ["00.png", "11.png"]


def test_check_of_a_sound_database_exits_with_0(database, capsys):
    lines = database.read_text().splitlines()
    database.write_text("\n".join(lines[:-1]))
    (database.parent / "images" / "11.png").unlink()
    assert main(["datasets", "check", "--dataset", str(database), "--num_workers", "0", "--quiet"]) == 0
    assert "0 errors, 1 remark" in capsys.readouterr().out  # the empty validation set


def test_check_lists_no_more_than_asked_for(here, capsys):
    lines = ["image_name,mos", *(f"{number}.png,{number}" for number in range(30))]
    (here / "labels.csv").write_text("\n".join(lines))
    assert main(["datasets", "check", "--dataset", "labels.csv", "--listed", "3"]) == 1
    out = capsys.readouterr().out
    assert out.count("  - there is no") == 3
    assert "and 27 more (--listed 0 prints all)" in out
    assert main(["datasets", "check", "--dataset", "labels.csv", "--listed", "0"]) == 1
    assert capsys.readouterr().out.count("  - there is no") == 30


def test_stats_as_text_json_and_picture(database, capsys):
    command = ["datasets", "stats", "--dataset", str(database), "--quiet", "--bins", "5"]
    assert main([*command, "--output", "mos.png"]) == 0
    out = capsys.readouterr().out
    assert "12 images (9 train, 0 val, 3 test)" in out
    bars = re.findall(r"^ *[\d.]+ \.\. +[\d.]+ +(\d+) █", out, re.MULTILINE)
    assert sum(map(int, bars)) == 24  # of the scores and of the sizes
    assert "12 of 128 x 96" in out
    with Image.open("mos.png") as picture:
        assert picture.format == "PNG"
    assert main([*command, "--json", "--no_images"]) == 0
    values = json.loads(capsys.readouterr().out)
    assert sum(values["distributions"][0]["counts"]["all"]) == 12
    assert len(values["distributions"]) == 1


def test_split_writes_a_file_that_keeps_every_column(database, capsys):
    command = ["datasets", "split", "--dataset", "photos.csv", "--output", "split.csv"]
    assert main(command) == 0
    assert re.search(r"split\.csv: 7 train .*, 2 val .*, 3 test", capsys.readouterr().out)
    rows = read(database.parent / "split.csv")
    before = read(database)
    assert [(row["image_name"], float(row["mos"]), row["camera"]) for row in rows] == [
        (row["image_name"], float(row["mos"]), row["camera"]) for row in before
    ]
    assert main(command) == 1
    assert "already exists" in capsys.readouterr().err
    first = (database.parent / "split.csv").read_text()
    assert main([*command, "--force"]) == 0
    assert (database.parent / "split.csv").read_text() == first
    assert main([*command, "--force", "--exp_id", "1"]) == 0
    assert (database.parent / "split.csv").read_text() != first


def test_split_into_folds(database, capsys):
    assert main(["datasets", "split", "--dataset", "photos.csv", "--folds", "4", "--json"]) == 0
    files = [each["file"] for each in json.loads(capsys.readouterr().out)["files"]]
    assert files == [f"split_fold{fold}.csv" for fold in range(1, 5)]
    tests = [{row["image_name"] for row in read(database.parent / file) if row["split"] == "test"} for file in files]
    assert sorted(name for names in tests for name in names) == [f"{number:02d}.png" for number in range(12)]


def test_convert_a_release_and_say_what_was_inverted(here, capsys):
    (here / "csiq").mkdir()
    make_csiq(here / "csiq")
    assert main(["datasets", "convert", "--dataset", "CSIQ", "--image_dir", "csiq", "--output", "csiq.csv"]) == 0
    out = capsys.readouterr().out
    assert "difference scores (DMOS) inverted as 1 - DMOS" in out
    assert "6 images of 2 references" in out
    row = read(here / "csiq.csv")[1]
    assert row == {
        "image_name": "csiq/dst_imgs/jpeg/1600.JPEG.5.png", "mos": row["mos"], "mos_std": "0.1", "reference": "1600",
        "distortion": "jpeg", "level": "5",
    }  # fmt: skip
    assert float(row["mos"]) == pytest.approx(0.1)


def test_convert_by_the_name_of_the_label_file(here, capsys):
    path = make_kadid(here)
    assert main(["datasets", "convert", "--dataset", str(path), "--output", "kadid.csv", "--json"]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert (summary["images"], summary["references"], summary["image_dir"]) == (20, 2, None)
    assert summary["other_columns"] == ["distortion", "level"]


def test_convert_info_mat_to_csv_and_back(here, capsys):
    make_authors_layout(here, "CLIVE", 10)
    assert main(["datasets", "convert", "--dataset", "CLIVE", "--output", "clive.csv", "--exp_id", "2"]) == 0
    rows = read(here / "clive.csv")
    assert [row["split"] for row in rows].count("train") == 6
    assert rows[0]["image_name"] == "CLIVE/1.bmp"
    assert main(["datasets", "convert", "--dataset", "clive.csv", "--output", "again.mat"]) == 0
    ratios = re.search(r"(--train_ratio \S+ --train_and_val_ratio \S+)\.", capsys.readouterr().out)[1].split()
    assert main(["datasets", "convert", "--dataset", "again.mat", "--output", "again.csv", *ratios]) == 0
    again = read(here / "again.csv")
    assert [row | {"reference": ""} for row in again] == [row | {"reference": ""} for row in rows]


def test_deviations_that_are_not_known_stay_unknown_through_info_mat(database, capsys):
    assert main(["datasets", "convert", "--dataset", "photos.csv", "--output", "info.mat"]) == 0
    assert main(["datasets", "convert", "--dataset", "info.mat", "--output", "back.csv"]) == 0
    assert capsys.readouterr().out.count("without standard deviations") == 2
    assert "mos_std" not in read(database.parent / "back.csv")[0]


@pytest.fixture
def biq2021(here):
    """As in the public repository: two files, Images/, a name in another case, and scenes that both parts show."""
    folder = here / "BIQ2021"
    (folder / "Images").mkdir(parents=True)
    lines = {"Train": ["Image Name,MOS,,"], "Test": ["Image Name,MOS"]}
    for number in range(40):
        part = "Test" if number < 8 else "Train"
        scene = {39: 0, 38: 9, 37: 9}.get(number, number)  # 39 shows what 0 of the test set shows; 37, 38 what 9 shows
        picture = make_picture(scene, (96, 128))
        file = f"ss02 ({number}).{'JPG' if number == 20 else 'jpg'}"
        picture.resize((96, 96 + number)).save(folder / "Images" / file, quality=90)
        lines[part].append(f"ss02 ({number}).jpg,0.{number + 10}" + ",," * (part == "Train"))
    for part, rows in lines.items():
        (folder / f"{part} (Images and MOS).csv").write_text("\n".join(rows))
    return folder


def test_split_cuts_a_validation_set_by_scene_from_a_release(biq2021, capsys):
    """Oracle: the scenes as they were made."""
    release = str(biq2021 / "Train (Images and MOS).csv")
    options = ["--val", "0.2", "--by_scene", "--num_workers", "0", "--quiet"]
    assert main(["datasets", "split", "--dataset", release, *options, "--output", "once.csv", "--json"]) == 0
    scenes = json.loads(capsys.readouterr().out)["scenes"]
    assert scenes == {"groups": 2, "images": 5, "test_images": 1, "barred": 1}
    rows = {int(re.search(r"\((\d+)\)", row["image_name"])[1]): row for row in read(biq2021.parent / "once.csv")}
    assert [number for number, row in rows.items() if row["split"] == "test"] == list(range(8))
    assert rows[20]["image_name"] == "BIQ2021/Images/ss02 (20).JPG"
    assert rows[39]["split"] == "train"
    assert rows[39]["reference"] == "ss02 (39).jpg"
    assert {rows[number]["reference"] for number in (9, 37, 38)} == {"ss02 (9).jpg"}
    assert len({rows[number]["split"] for number in (9, 37, 38)}) == 1
    assert 5 <= sum(row["split"] == "val" for row in rows.values()) <= 8

    assert main(["datasets", "convert", "--dataset", release, "--output", "all.csv"]) == 0
    assert main(["datasets", "split", "--dataset", "all.csv", *options, "--output", "twice.csv"]) == 0
    splits = [[row["split"] for row in read(biq2021.parent / f"{name}.csv")] for name in ("once", "twice")]
    assert splits[0] == splits[1]
    assert "1 test images show a scene of the other images; those 1 are for training" in capsys.readouterr().out


def test_val_needs_a_test_set(here, capsys):
    (here / "a.csv").write_text("image_name,mos\na.png,1\nb.png,2\n")
    assert main(["datasets", "split", "--dataset", "a.csv", "--val", "0.5"]) == 1
    assert "has no test set that --val could keep" in capsys.readouterr().err
    assert main(["datasets", "split", "--dataset", "a.csv", "--val", "0.5", "--folds", "3"]) == 2
    assert "give one of them" in capsys.readouterr().err
