"""`test --dataset A B` and `crossval`. Oracles: results.json of each test alone, and of each run alone."""

import json
import shutil

import pytest

from linearityiqa.cli.main import main
from linearityiqa.mapping import LinearMapping
from linearityiqa.models import LinearityIQA, save_model
from linearityiqa.quality import QualityScores
from linearityiqa.record import ModelRecord
from small_runs import small_run


@pytest.fixture(scope="module")
def model_file(photo_database, tmp_path_factory):
    config = small_run(photo_database, tmp_path_factory.mktemp("run"))
    line = LinearMapping(2.0, 50.0)
    record = ModelRecord(config=config, mapping=QualityScores(line, line, line), scale=None, database="photos", epoch=1)
    path = tmp_path_factory.mktemp("models") / "small.safetensors"
    save_model(path, LinearityIQA(config.model), record)
    return path


@pytest.fixture
def copies(photo_database, tmp_path):
    """Two databases whose files have the same name."""
    for name in ("a", "b"):
        shutil.copytree(photo_database.parent, tmp_path / name)
    return [tmp_path / name / "labels.csv" for name in ("a", "b")]


def words(*given):
    return [str(word) for word in given]


def test_every_database_is_tested(model_file, copies, capsys, tmp_path):
    command = words("test", "--model", model_file, "--num_workers", 0, "--output", tmp_path / "out")
    assert main([*command, "--dataset", *words(*copies)]) == 0
    output = capsys.readouterr().out
    table = output.partition("Models across databases")[2].splitlines()
    assert "a-labels SROCC" in table[2]
    found = [json.loads((tmp_path / "out" / f"small-{name}-labels" / "results.json").read_text()) for name in "ab"]
    figures = [result["splits"]["test"]["fused"] for result in found]
    assert figures[0] == figures[1]
    assert table[4].split()[:3] == ["small", "photos", f"{figures[0]['SROCC']:.4f}"]


def test_results_of_files_of_one_name_are_kept_apart(model_file, copies):
    assert main(words("test", "--model", model_file, "--num_workers", 0, "-ds", *copies, "--json")) == 0
    for name in "ab":
        assert (model_file.parent / f"test-{name}-labels-test" / "results.json").exists()


def test_a_missing_database_is_told_before_anything_is_tested(model_file, copies, capsys, tmp_path):
    command = words("test", "--model", model_file, "--output", tmp_path / "out", "--dataset", copies[0], "none.csv")
    assert main(command) == 1
    assert "none.csv" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_one_image_folder_for_several_databases_is_refused(model_file, copies, capsys):
    assert main(words("test", "--model", model_file, "--image_dir", ".", "--dataset", *copies)) == 2
    assert "--image_dir" in capsys.readouterr().err


def crossval_words(labels, *more):
    options = ["--weights", "none", "-arch", "shufflenet_v2_x0_5", "-bs", 4, "-e", 1, "--num_workers", 0]
    return words("crossval", "--dataset", labels, *options, *more)


def test_crossval_compares_with_another(photo_database, tmp_path, capsys):
    first = crossval_words(photo_database, "--splits", 2, "--output", tmp_path / "mse", "-lt", "mse", "--json")
    assert main(first) == 0
    mse = json.loads(capsys.readouterr().out)
    second = crossval_words(photo_database, "--splits", 2, "--output", tmp_path / "nin", "--against", tmp_path / "mse")
    assert main([*second, "--json"]) == 0
    nin = json.loads(capsys.readouterr().out)
    runs = [json.loads((tmp_path / "nin" / f"split-{n}" / "results.json").read_text()) for n in range(2)]
    expected = [run["splits"]["test"]["fused"]["RMSE"] for run in runs]
    assert nin["summary"]["RMSE"]["mean"] == pytest.approx(sum(expected) / 2)
    (comparison,) = nin["comparisons"]["RMSE"]
    assert comparison["difference"] == pytest.approx(nin["summary"]["RMSE"]["mean"] - mse["summary"]["RMSE"]["mean"])
    assert main(second) == 0
    assert "corrected paired t-test" in capsys.readouterr().out


def test_a_folder_that_is_no_cross_validation_is_told_before_training(photo_database, tmp_path, capsys):
    command = crossval_words(photo_database, "--output", tmp_path / "out", "--against", tmp_path)
    assert main(command) == 1
    assert "cannot read the cross-validation" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
