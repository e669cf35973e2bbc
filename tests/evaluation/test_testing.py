"""A model is tested on images that it has not seen. Oracle: the run's own test split and predictions."""

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from linearityiqa.cli.main import main
from linearityiqa.models import open_model, save_model
from linearityiqa.training import train
from small_runs import small_run


@pytest.fixture(scope="module")
def slices(photo_database, tmp_path_factory):
    """The database without its split column."""
    folder = tmp_path_factory.mktemp("slices")
    shutil.copytree(photo_database.parent / "images", folder / "images")
    rows = [",".join(row.split(",")[:2]) for row in photo_database.read_text().splitlines()]
    (folder / "slice.csv").write_text("\n".join(rows))
    return folder / "slice.csv"


@pytest.fixture(scope="module")
def trained(slices, tmp_path_factory):
    """A run on a random split of it: 12 images are trained on, 6 validated on, 6 tested."""
    config = small_run(slices, tmp_path_factory.mktemp("run"))
    data = replace(config.data, exp_id=3, train_ratio=0.5, train_and_val_ratio=0.75)
    return train(replace(config, data=data, optimiser=replace(config.optimiser, epochs=1, seed=5)))


def result_of(trained, labels, folder: Path, *words: str) -> dict:
    command = ["test", "--model", trained.model_file, "--dataset", labels, "--output", folder, "--num_workers", "0"]
    assert main([*map(str, command), *words]) == 0
    return json.loads((folder / "results.json").read_text())


def names(folder: Path) -> list[str]:
    with (folder / "predictions.csv").open(newline="") as stream:
        return [row["image_name"] for row in csv.DictReader(stream)]


@pytest.mark.parametrize("words", [(), ("--exp_id", "0", "-tr", "0.1", "-tvr", "0.2", "--seed", "1")])
def test_the_runs_own_test_split_is_found_again(words, trained, slices, tmp_path, capsys):
    found = result_of(trained, slices, tmp_path, *words)
    assert names(tmp_path) == names(trained.folder)
    assert found["splits"]["test"] == trained.results["splits"]["test"]
    assert (found["split_of_training"], found["images_trained_on"], found["images_validated_on"]) == (True, 0, 0)
    captured = capsys.readouterr()
    assert "the test split is that of its training" in captured.err
    assert ("whatever --exp_id" in captured.err) == bool(words)
    assert "warning" not in captured.err
    assert "trained on 0" not in captured.out


def test_the_order_of_the_rows_does_not_matter(trained, slices, tmp_path):
    header, *rows = slices.read_text().splitlines()
    (slices.parent / "turned.csv").write_text("\n".join([header, *reversed(rows)]))
    result_of(trained, slices.parent / "turned.csv", tmp_path)
    assert sorted(names(tmp_path)) == sorted(names(trained.folder))


def test_all_images_of_the_database_are_tested_with_a_warning(trained, slices, tmp_path, capsys):
    found = result_of(trained, slices, tmp_path, "--split", "all")
    assert (found["images_trained_on"], found["images_validated_on"]) == (12, 6)
    captured = capsys.readouterr()
    assert "warning: 12 of the 24 tested images were trained on, and 6 more" in captured.err
    assert "of these 24 images the model was trained on 12" in captured.out


def test_the_training_split_may_be_asked_for(trained, slices, tmp_path, capsys):
    found = result_of(trained, slices, tmp_path, "--split", "train")
    assert (found["splits"]["train"]["n"], found["images_trained_on"]) == (12, 12)
    assert "warning" not in capsys.readouterr().err


def test_the_same_images_under_another_csv_file_and_folder_are_noticed(trained, slices, tmp_path, capsys):
    # another place, another scale, fewer rows, a split of its own
    (tmp_path / "deep" / "photos").mkdir(parents=True)
    lines = ["image_name,mos,split"]
    for number in range(20):
        name = f"photo{number:02d}.png"
        shutil.copy(slices.parent / "images" / name, tmp_path / "deep" / "photos" / name)
        lines.append(f"photos/{name},{number / 20},test")
    (tmp_path / "deep" / "other.csv").write_text("\n".join(lines))
    found = result_of(trained, tmp_path / "deep" / "other.csv", tmp_path / "out")
    rows = open_split(trained, slices)
    expected = [sum(int(name[5:7]) < 20 for name in rows[part]) for part in ("train", "val")]
    assert [found["images_trained_on"], found["images_validated_on"]] == expected
    assert not found["split_of_training"]
    assert f"warning: {expected[0]} of the 20 tested images were trained on" in capsys.readouterr().err


def test_other_files_of_the_same_names_are_only_remarked_on(trained, slices, tmp_path, capsys):
    lines = ["image_name,mos"]
    for number, name in enumerate(open_split(trained, slices)["train"]):
        (tmp_path / name).write_bytes((slices.parent / "images" / name).read_bytes() + b"\0")
        lines.append(f"{name},{number}")
    (tmp_path / "other.csv").write_text("\n".join(lines))
    found = result_of(trained, tmp_path / "other.csv", tmp_path / "out")
    assert (found["images_trained_on"], found["images_validated_on"]) == (0, 0)
    said = capsys.readouterr().err
    assert "warning" not in said
    assert "12 of the 12 tested images have names of images" in said


def open_split(trained, slices) -> dict[str, list[str]]:
    from linearityiqa.data.databases.opening import open_database

    config = open_model(trained.model_file).record.config
    database = open_database(config.data, config.optimiser.seed)
    return {part: [database.table.names[row] for row in rows] for part, rows in database.splits.items()}


def test_a_model_file_from_before_this_was_recorded_still_works(trained, slices, tmp_path, capsys):
    model = open_model(trained.model_file)
    old = tmp_path / "old.safetensors"
    save_model(old, model.network, replace(model.record, seen=None))
    assert open_model(old).record.seen is None
    command = ["test", "--model", old, "--dataset", slices, "--output", tmp_path / "out", "--num_workers", "0"]
    assert main([str(word) for word in command]) == 0
    found = json.loads((tmp_path / "out" / "results.json").read_text())
    assert (found["split_of_training"], found["images_trained_on"]) == (False, None)
    assert "does not say which images it was trained on" in capsys.readouterr().err


def test_evaluate_tests_what_training_tested(trained, slices, tmp_path, capsys):
    words = ["-eid", "3", "-tr", "0.5", "-tvr", "0.75", "--seed", "5", "--weights", "none", "-bs", "4", "-e", "1"]
    command = ["train", "--evaluate", "-ds", slices, "-arch", "shufflenet_v2_x0_5", "-lr", "1e-3", *words]
    assert main([*map(str, command), "--output", str(trained.folder), "--num_workers", "0", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["splits"]["test"] == trained.results["splits"]["test"]


def test_opinions_of_another_scale_and_a_file_without_a_split_are_told(trained, slices, tmp_path, capsys):
    # oracle: MOS of 1 to 5 where the model was trained on those of the fixture, 20 times as wide
    rows = [row.split(",") for row in slices.read_text().splitlines()[1:]]
    low, high = min(float(mos) for _, mos in rows), max(float(mos) for _, mos in rows)
    lines = [f"{name},{1 + 4 * (float(mos) - low) / (high - low)}" for name, mos in rows]
    # without its last image it is no database that the model was trained on, whose split would be taken
    (tmp_path / "five.csv").write_text("\n".join(["image_name,mos", *lines[:-1]]))
    options = ("--image_dir", str(slices.parent / "images"))
    for labels, told in ((tmp_path / "five.csv", True), (slices, False)):
        found = result_of(trained, labels, tmp_path / "out", *(options if told else ("--split", "all")))
        printed = capsys.readouterr().out
        assert f"all {len(rows) - told} images" in printed
        assert "test split" not in printed
        assert ("Note: the model scores on" in printed) == told
        assert [("1..5" in note and "RMSE" in note) for note in found["notes"]] == [True] * told
