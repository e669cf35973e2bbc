"""Oracles: what training itself wrote (results.json, metrics.csv, bhat.csv), read by other means; damage by hand."""

import csv
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from linearityiqa.config import ReproduceConfig
from linearityiqa.errors import DataError
from linearityiqa.reproduce.authors_layout import AuthorsLayout, export
from linearityiqa.reproduce.execution import run_jobs
from linearityiqa.reproduce.item import (
    BhatNeed,
    CurveNeed,
    Drawn,
    Item,
    PredictionsNeed,
    draw_items,
    gather,
    predictions_need,
)
from linearityiqa.reproduce.job import progress_of
from linearityiqa.reproduce.own_runs import OwnRuns
from linearityiqa.reproduce.reproduction import numbers_json
from linearityiqa.reproduce.setup import ITEMS, Setup
from small_reproduction import small_reproduction

ITEMS_RUN = [ITEMS[name] for name in ("fig1", "fig7", "figA2")]


@pytest.fixture(scope="module")
def finished(photo_database: Path, tmp_path_factory: pytest.TempPathFactory) -> ReproduceConfig:
    """The base run with each loss, tested on a second database: the photographs in other order, under another name."""
    folder = tmp_path_factory.mktemp("finished")
    header, *rows = photo_database.read_text().splitlines()
    (folder / "other.csv").write_text("\n".join([header, *reversed(rows)]) + "\n")
    config = small_reproduction(
        photo_database, folder, test_dataset=str(folder / "other.csv"), test_image_dir=photo_database.parent / "images"
    )
    outcomes = run_jobs(Setup(config).jobs(ITEMS_RUN), config)
    assert [outcome.status for outcome in outcomes.values()] == ["done"] * 3
    return config


@pytest.fixture
def own(finished: ReproduceConfig, tmp_path: Path) -> OwnRuns:
    """The finished runs, in folders that a test may damage."""
    shutil.copytree(finished.log_dir, tmp_path / "runs")
    return OwnRuns(Setup(replace(finished, log_dir=tmp_path / "runs")))


def base(own: OwnRuns, loss: str = "norm-in-norm"):
    return own.setup.scale.base_run(loss_type=loss)


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_curves_are_the_rows_of_metrics_csv(own):
    rows = rows_of(own.setup.folder(base(own, "mse")) / "metrics.csv")
    for split in ("train", "val", "test"):
        for metric in ("SROCC", "RMSE"):
            curve = own.curve(CurveNeed(base(own, "mse"), split, metric))
            assert curve.values.tolist() == [float(row[metric]) for row in rows if row["split"] == split]
            assert curve.steps.tolist() == [1, 2]
            assert np.all(np.diff(curve.wall_times) > 0)


@pytest.mark.parametrize("on", ["own", "other"])
def test_predictions_have_the_agreement_that_was_computed_from_raw_scores(own, on):
    folder, database = own.setup.folder(base(own)), own.setup.scale.training_set
    if on == "other":
        database = own.setup.scale.other_set
        (folder,) = own.setup.folder(base(own)).glob("test-*-all")
    results = json.loads((folder / "results.json").read_text())
    figures = results["splits"]["test" if on == "own" else "all"]["fused"]
    found = own.predictions(PredictionsNeed(base(own), database))
    assert len(found.mos) == (6 if on == "own" else 24)
    computed = found.agreement.as_dict()
    for metric in ("SROCC", "PLCC", "KROCC", "RMSE"):
        assert computed[metric] == pytest.approx(figures[metric], rel=1e-12)
    assert found.mapping.stage4.slope == results["mapping"]["stage4"]["slope"]
    if on == "other":
        first = rows_of(folder / "predictions.csv")[0]
        assert first["image_name"] == "photo23.png"
        assert found.predicted[0] == pytest.approx(float(first["prediction"]), rel=1e-12)


def test_the_log_of_b_is_bhat_csv(own):
    log = own.bhat(BhatNeed(base(own)))
    rows = rows_of(own.setup.folder(base(own)) / "bhat.csv")
    assert log.values.fused.tolist() == [float(row["fused"]) for row in rows]
    assert (len(log), log.iterations_per_epoch) == (4, 2)  # 12 images by 8, two epochs
    with pytest.raises(DataError, match="--log_bhat"):
        own.bhat(BhatNeed(base(own, "mae")))


def test_exported_results_read_back_to_the_same_numbers(own, tmp_path):
    scale = own.setup.scale
    needs = dict.fromkeys(need for item in ITEMS_RUN for need in item.needs(scale))
    written = export(gather(needs, own), tmp_path / "exported")
    assert len(written) == 27 + 6 + 1
    ours, _ = draw_items(ITEMS_RUN[1:], own, scale)
    theirs, failures = draw_items(ITEMS_RUN[1:], AuthorsLayout(tmp_path / "exported"), scale)
    assert not failures
    for item in ITEMS_RUN[1:]:
        assert numbers_json(item.name, ours[item]) == numbers_json(item.name, theirs[item])
    with (tmp_path / "exported" / f"csv/loss=mae-val_{scale.training_set}_PLCC.csv").open() as stream:
        assert stream.readline() == "Wall time,Step,Value\n"


def test_a_run_of_another_configuration_is_refused(own):
    path = own.setup.folder(base(own)) / "config.toml"
    path.write_text(path.read_text().replace("learning_rate = 0.0001", "learning_rate = 0.5"))
    with pytest.raises(DataError, match=r"another configuration \(its learning_rate is 0.5, not 0.0001\)"):
        own.curve(CurveNeed(base(own), "val", "PLCC"))


def test_results_of_another_run_are_refused(own):
    mse, mae = (own.setup.folder(base(own, loss)) for loss in ("mse", "mae"))
    shutil.copy(mse / "results.json", mae / "results.json")
    with pytest.raises(DataError, match=rf"is of another run \({mse.name}\)"):
        own.predictions(PredictionsNeed(base(own, "mae"), own.setup.scale.training_set))
    shutil.rmtree(mae)
    shutil.copytree(mse, mae)
    with pytest.raises(DataError, match="its loss_type is 'mse', not 'mae'"):
        own.curve(CurveNeed(base(own, "mae"), "val", "PLCC"))


def test_predictions_on_other_labels_are_refused(own):
    path = own.setup.folder(base(own)) / "predictions.csv"
    path.write_text(re.sub(r"(photo\d+\.png),\d", r"\1,1", path.read_text()))
    with pytest.raises(DataError, match="other images or labels"):
        own.predictions(PredictionsNeed(base(own), own.setup.scale.training_set))


def test_predictions_are_trusted_where_the_database_is_not_at_hand(own, monkeypatch):
    def missing(*_):
        raise DataError("no images here")

    monkeypatch.setattr("linearityiqa.reproduce.own_runs.open_database", missing)
    assert len(own.predictions(PredictionsNeed(base(own), own.setup.scale.training_set)).mos) == 6


def test_a_test_of_another_model_does_not_count(own):
    (path,) = own.setup.folder(base(own)).glob("test-*-all/results.json")
    path.write_text(re.sub(r'"model_sha256": "\w+"', '"model_sha256": "0"', path.read_text()))
    with pytest.raises(DataError, match="has not been tested on"):
        own.predictions(PredictionsNeed(base(own), own.setup.scale.other_set))
    (job,) = (job for job in own.setup.jobs(ITEMS_RUN) if job.run == base(own))
    assert progress_of(job).state == "part done"
    assert progress_of(job).words.startswith("trained, not yet tested on")


def test_a_diverged_run_has_its_curve_and_no_predictions(own):
    folder = own.setup.folder(base(own))
    for name in ("model.safetensors", "results.json", "predictions.csv"):
        (folder / name).unlink()
    need = CurveNeed(base(own), "val", "PLCC")
    with pytest.raises(DataError, match=r"is not done \(2 of 2 epochs\)"):
        own.curve(need)
    (folder / "diverged.json").write_text('{"epoch": 3, "message": "the loss of epoch 3 is nan."}')
    assert len(own.curve(need).steps) == 2
    with pytest.raises(DataError, match="has no result: the loss of epoch 3 is nan"):
        own.predictions(PredictionsNeed(base(own), own.setup.scale.training_set))


def test_a_run_without_tests_during_training_says_so(own):
    path = own.setup.folder(base(own)) / "config.toml"
    path.write_text(path.read_text().replace("test_during_training = true", "test_during_training = false"))
    assert len(own.curve(CurveNeed(base(own), "val", "PLCC")).steps) == 2
    for split, metric in (("train", "PLCC"), ("val", "RMSE")):
        with pytest.raises(DataError, match="without --test_during_training"):
            own.curve(CurveNeed(base(own), split, metric))


def test_a_missing_run_is_said_with_the_reason(own):
    run = own.setup.scale.base_run(loss_type="mse", use_bn_end=True)
    need = CurveNeed(run, "val", "PLCC")
    with pytest.raises(DataError, match=r"has not begun\.$"):
        own.curve(need)
    with pytest.raises(DataError, match=r"has not begun; it failed: out of memory\.$"):
        OwnRuns(own.setup, {run: "out of memory."}).curve(need)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("config.toml", "not = [toml", r"cannot read .*config\.toml"),
        ("config.toml", None, "no config.toml"),
        ("results.json", "[]", "holds no object"),
        ("results.json", "{", r"cannot read .*results\.json"),
        ("predictions.csv", "image_name,mos\na,1\n", "prediction"),
        ("predictions.csv", None, r"predictions\.csv"),
    ],
)
def test_damaged_folders_are_one_sentence(own, name, content, message):
    path = own.setup.folder(base(own)) / name
    path.unlink()
    if content is not None:
        path.write_text(content)
    with pytest.raises(DataError, match=message):
        own.predictions(PredictionsNeed(base(own), own.setup.scale.training_set))


def test_a_model_that_says_the_same_of_every_image_has_a_level_line(own):
    folder = own.setup.folder(base(own))
    results = json.loads((folder / "results.json").read_text())
    results["mapping"]["fused"] = {"slope": 0.0, "intercept": 50.0}
    (folder / "results.json").write_text(json.dumps(results))
    found = own.predictions(PredictionsNeed(base(own), own.setup.scale.training_set))
    saved = [float(row["prediction"]) for row in rows_of(folder / "predictions.csv")]
    assert found.predicted.tolist() == saved


def test_a_mapping_whose_slope_is_a_text_is_named_with_its_file(own):
    path = own.setup.folder(base(own)) / "results.json"
    results = json.loads(path.read_text())
    results["mapping"]["fused"]["slope"] = str(results["mapping"]["fused"]["slope"])
    path.write_text(json.dumps(results))
    with pytest.raises(DataError, match=r"results\.json holds no mapping of fused"):
        own.predictions(PredictionsNeed(base(own), own.setup.scale.training_set))


def test_a_random_split_is_that_of_the_runs_own_seed(photo_database, tmp_path) -> None:
    """Oracle: training, which splits by the seed of the run."""
    lines = photo_database.read_text().splitlines()
    column = lines[0].split(",").index("split")
    labels = tmp_path / "unsplit.csv"
    labels.write_text("".join(",".join(np.delete(line.split(","), column)) + "\n" for line in lines))
    config = small_reproduction(labels, tmp_path, image_dir=photo_database.parent / "images", seeds=2)
    setup = Setup(config)

    def needs(scale):
        return tuple(predictions_need(scale, scale.base_run(seed=seed), scale.training_set) for seed in scale.seeds)

    run_jobs(setup.jobs([Item(name="seeds", title="", needs=needs, draw=lambda results, scale: Drawn({}))]), config)
    found = gather(needs(setup.scale), OwnRuns(setup))
    assert not found.problems
    first, second = (one.predictions.names for one in found.predictions.values())
    assert first != second
