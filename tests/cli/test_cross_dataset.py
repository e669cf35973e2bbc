"""`test --dataset A B` and `crossval`. Oracles: results.json of each test alone, and of each run alone."""

import io
import json
import shutil

import pytest

from linearityiqa.cli.main import main
from linearityiqa.evaluation import read_predictions_csv
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


def test_all_tests_are_done_before_anything_is_printed(model_file, copies, tmp_path, monkeypatch):
    # oracle: standard output that nobody reads, as behind `| head`
    def write(_):
        raise BrokenPipeError

    unread = io.StringIO()
    unread.write = write
    monkeypatch.setattr("sys.stdout", unread)
    command = words("test", *copies, "--model", model_file, "--num_workers", 0, "--output", tmp_path / "out")
    assert main(command) == 141
    assert all((tmp_path / "out" / f"small-{name}-labels" / "results.json").exists() for name in "ab")


def test_a_missing_database_is_told_before_anything_is_tested(model_file, copies, capsys, tmp_path):
    command = words("test", "--model", model_file, "--output", tmp_path / "out", "--dataset", copies[0], "none.csv")
    assert main(command) == 1
    assert "none.csv" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_databases_with_image_folders_of_their_own(model_file, copies, tmp_path):
    moved = []
    for name, labels in zip("ab", copies, strict=True):  # the labels alone lie elsewhere
        (tmp_path / "labels" / name).mkdir(parents=True)
        moved.append(shutil.move(labels, tmp_path / "labels" / name / "labels.csv"))
    command = words("test", *moved, "--model", model_file, "--num_workers", 0, "--output", tmp_path / "out")
    assert main(command) == 1  # no images beside the labels
    assert main([*command, "--image_dir", *words(tmp_path / "a/images", tmp_path / "b/images")]) == 0
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"small-a-labels", "small-b-labels"}


def test_an_onnx_file_is_tested_under_its_name_beside_another(model_file, photo_database, tmp_path, capsys):
    # oracle: the scores that `score` gives the same images
    pytest.importorskip("onnx", reason="the extra export is not installed")
    from linearityiqa.scoring import Scorer
    from tiny_onnx import tiny_model, write

    onnx_file = write(tmp_path / "tiny.onnx", tiny_model())
    options = words("--num_workers", 0, "--output", tmp_path / "out", "--split", "all")
    assert main(words("test", photo_database, *options, "--model", f"ours={onnx_file}", model_file)) == 0
    table = capsys.readouterr().out.partition("Models across databases")[2].splitlines()
    assert [line.split()[0] for line in table[4:]] == ["ours", "small"]
    saved = read_predictions_csv(tmp_path / "out" / "ours-labels" / "predictions.csv")
    expected = [Scorer(onnx_file).score(photo_database.parent / "images" / name) for name in saved.names]
    assert saved.prediction.tolist() == pytest.approx(expected, rel=1e-5)


def test_the_model_in_the_package_is_called_bundled(photo_database, tmp_path, monkeypatch):
    from linearityiqa.hub import bundled_model
    from linearityiqa.scoring import Scorer

    monkeypatch.chdir(tmp_path)
    assert main(words("test", photo_database, "--model", "bundled", "--num_workers", 0)) == 0
    saved = read_predictions_csv(tmp_path / "runs" / "bundled" / "test-labels-test" / "predictions.csv")
    scorer = Scorer(bundled_model())
    expected = [scorer.score(photo_database.parent / "images" / name) for name in saved.names]
    assert saved.prediction.tolist() == pytest.approx(expected, rel=1e-4)


def test_models_of_one_name_are_refused_where_their_results_would_meet(model_file, photo_database, tmp_path, capsys):
    models = (f"a={model_file}", f"a={model_file}")
    assert main(words("test", photo_database, "--output", tmp_path / "out", "--model", *models)) == 2
    assert "two models are called" in capsys.readouterr().err
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
    assert "SROCC against" in capsys.readouterr().out  # a test, or none where splits so small differ alike


def test_a_folder_that_is_no_cross_validation_is_told_before_training(photo_database, tmp_path, capsys):
    command = crossval_words(photo_database, "--output", tmp_path / "out", "--against", tmp_path)
    assert main(command) == 1
    assert "cannot read the cross-validation" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
