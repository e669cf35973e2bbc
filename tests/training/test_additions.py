"""Runs with the additions to the paper's recipe. Oracles: the undisturbed run, and what the options promise."""

import csv
from pathlib import Path

import pytest
import safetensors.torch
import torch
from PIL import Image

from linearityiqa.config import LossConfig, OptimiserConfig, TrainConfig
from linearityiqa.errors import ConfigError
from linearityiqa.models import LinearityIQA
from linearityiqa.training import run as training_run
from linearityiqa.training import train, trainer
from linearityiqa.training.step import TrainingStep
from linearityiqa.training.trainer import Trainer
from small_runs import changed, killed_at, small_run

pytestmark = pytest.mark.slow

ADDITIONS = {
    "optimizer": "adamw",
    "weight_decay": 0.05,
    "schedule": "cosine",
    "warmup_epochs": 0.5,
    "clip_grad_norm": 1.0,
    "ema_decay": 0.6,
    "batch_size": 2,
    "accumulation_steps": 2,
    "exact_accumulation": True,
    "patience": 5,
}


def run(labels: Path, folder: Path, **options) -> TrainConfig:
    return changed(small_run(labels, folder, save_minutes=0), **options)


def rows_of(folder: Path, split: str) -> list[dict[str, str]]:
    return [row for row in csv.DictReader((folder / "metrics.csv").open()) if row["split"] == split]


@pytest.fixture(scope="module")
def with_all(photo_database: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("all")
    train(run(photo_database, folder, **ADDITIONS))
    return folder


@pytest.mark.parametrize(("method", "call"), [("update", 3), ("accumulate", 5)])
def test_a_killed_run_with_all_additions_ends_in_the_same_bits(
    method, call, with_all, photo_database, tmp_path
) -> None:
    config = run(photo_database, tmp_path, **ADDITIONS)
    with killed_at(TrainingStep, method, call):
        train(config)
    train(config)
    for name in ("metrics.csv", "predictions.csv", "model.safetensors"):
        assert (tmp_path / name).read_bytes() == (with_all / name).read_bytes(), name


def test_an_exact_loss_is_one_for_each_update(with_all) -> None:
    assert len(torch.load(with_all / "last.pt", weights_only=True)["losses"]) == 2 * 3


def test_learning_rate_falls_along_the_cosine(with_all) -> None:
    rates = [float(row["learning_rate"]) for row in rows_of(with_all, "train")]
    # updates 3 of 3 in either epoch, after half an epoch of warm-up: (2/3 - 1/2) and (5/3 - 1/2) of 1.5 epochs are done
    cosine = [(1 + torch.tensor(torch.pi * done / 1.5).cos().item()) / 2 for done in (2 / 3 - 1 / 2, 5 / 3 - 1 / 2)]
    assert rates == pytest.approx([1e-3 * value for value in cosine])


def test_the_average_is_evaluated_and_saved(photo_database, tmp_path, monkeypatch) -> None:
    weights, evaluated = {}, []
    evaluate, predict = Trainer.evaluate_epoch, trainer.predict

    def watched(self):
        for name, network in (("trained", self.session.step.network), ("average", self.session.step.average.network)):
            weights[name] = {key: value.clone() for key, value in network.state_dict().items()}
        return evaluate(self)

    def predicted(network, *args, **options):
        evaluated.append({key: value.clone() for key, value in network.state_dict().items()})
        return predict(network, *args, **options)

    monkeypatch.setattr(Trainer, "evaluate_epoch", watched)
    monkeypatch.setattr(trainer, "predict", predicted)
    train(run(photo_database, tmp_path, ema_decay=0.9, epochs=1))
    saved = safetensors.torch.load_file(tmp_path / "model.safetensors")
    assert saved.keys() == weights["trained"].keys()
    for found in (saved, *evaluated):
        assert all(torch.equal(value, weights["average"][name]) for name, value in found.items())
    assert not torch.equal(saved["fused.linear.weight"], weights["trained"]["fused.linear.weight"])
    assert not torch.equal(saved["stage3.reduce.1.running_mean"], weights["trained"]["stage3.reduce.1.running_mean"])


def test_training_ends_after_so_many_epochs_in_vain(photo_database, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(trainer, "is_better", lambda *args: False)
    result = train(run(photo_database, tmp_path, epochs=5, patience=2))
    assert [int(row["epoch"]) for row in rows_of(tmp_path, "val")] == [1, 2, 3]
    assert (result.results["epoch"], result.results["epochs_trained"]) == (1, 3)


def test_a_stop_after_the_last_epoch_in_vain_trains_no_more(photo_database, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(trainer, "is_better", lambda *args: False)
    config = run(photo_database, tmp_path, epochs=5, patience=1)
    with killed_at(training_run, "save_model", 1):
        train(config)
    assert train(config).results["epochs_trained"] == 2


def test_images_of_different_sizes_share_an_exact_loss(photo_database, tmp_path) -> None:
    """Nine training images, of which the last would be a loss of one image, which nothing can be learned from."""
    rows = photo_database.read_text().splitlines()
    labels = tmp_path / "labels.csv"
    labels.write_text("\n".join([rows[0], *rows[1:10], *rows[13:]]) + "\n")
    (tmp_path / "images").mkdir()
    for number, source in enumerate(sorted((photo_database.parent / "images").iterdir())):
        with Image.open(source) as image:
            image.resize((64 + number, 48)).save(tmp_path / "images" / source.name)
    options = {"batch_size": 1, "accumulation_steps": 4, "exact_accumulation": True, "epochs": 1}
    train(run(labels, tmp_path / "run", **options))
    losses = torch.load(tmp_path / "run" / "last.pt", weights_only=True)["losses"]
    assert len(losses) == 2
    assert all(0 < loss < 1.2 for loss in losses)


@pytest.mark.parametrize("loss_type", ["norm-in-norm", "mae"])
def test_a_loss_of_one_image_is_refused(loss_type) -> None:
    with pytest.raises(ConfigError, match="batch_size must be > 1"):
        TrainConfig(loss=LossConfig(loss_type=loss_type), optimiser=OptimiserConfig(batch_size=1, accumulation_steps=4))


@pytest.mark.parametrize(("followed", "parts"), [(True, set()), (False, {"train", "test"})])
def test_known_predictions_of_the_best_epoch_are_not_computed_again(
    followed, parts, photo_database, tmp_path, monkeypatch
) -> None:
    """The predictions of the epoch's own evaluation are kept; the others are computed."""
    computed: set[str] = set()
    evaluated = []
    forward, predict = LinearityIQA.forward, Trainer.predict

    def counted(self, images):
        evaluated.append(len(images))
        return forward(self, images)

    def watched(self, part):
        before, result = len(evaluated), predict(self, part)
        if self.state.phase == "final" and len(evaluated) > before:
            computed.add(part)
        return result

    monkeypatch.setattr(LinearityIQA, "forward", counted)
    monkeypatch.setattr(Trainer, "predict", watched)
    train(small_run(photo_database, tmp_path, test_during_training=followed))
    assert sum(evaluated) > 0
    assert computed == parts
