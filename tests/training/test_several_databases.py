"""Training on several databases; oracles: the labels by hand, a rescaled second database, an undisturbed run."""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from linearityiqa.config import LossConfig, TrainConfig
from linearityiqa.data.loading.samplers import SampleKey
from linearityiqa.models import open_model
from linearityiqa.training import train
from linearityiqa.training.images import open_run_images
from linearityiqa.training.step import TrainingStep
from small_runs import changed, killed_at, small_run, traces

pytestmark = pytest.mark.slow

FACTOR = 1024.0  # a power of two: the labels are rounded alike on both scales


def write_database(folder: Path, factor: float) -> Path:
    """Ten photographs of 40 x 56 whose MOS lies in 0..factor: 7 for training, 3 for validation."""
    (folder / "images").mkdir(parents=True)
    rng = np.random.default_rng(11)
    rows = ["image_name,mos,split"]
    for i in range(10):
        noise = (i * 3 % 10) / 10
        pixels = np.clip(90 + noise * 80 * rng.standard_normal((40, 56, 3)), 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / "images" / f"photo{i:02d}.png")
        rows.append(f"photo{i:02d}.png,{factor * (1 - noise)},{'train' if i < 7 else 'val'}")
    (folder / "second.csv").write_text("\n".join(rows) + "\n")
    return folder / "second.csv"


@pytest.fixture(scope="module")
def second(tmp_path_factory) -> Path:
    return write_database(tmp_path_factory.mktemp("second"), 1.0)


def both(photo_database: Path, second: Path, folder: Path, **options) -> TrainConfig:
    config = small_run(photo_database, folder, **options)
    return replace(config, data=replace(config.data, more_datasets=(str(second),)))


def images_of(config: TrainConfig):
    return open_run_images(config, workers=0)


def test_the_training_sets_are_joined_and_all_else_is_the_first_databases(photo_database, second, tmp_path):
    images = images_of(both(photo_database, second, tmp_path))
    assert images.counts == (12, 7)
    assert {part: len(dataset) for part, dataset in images.datasets.items()} == {"train": 12, "val": 6, "test": 6}
    assert images.database.name == "labels"
    assert images.training[SampleKey(0, 12)][1] == images.databases[1].table.mos[0]


def test_standardised_labels_are_each_databases_own(photo_database, second, tmp_path):
    images = images_of(changed(both(photo_database, second, tmp_path), label_scale="standard"))
    mos = np.array([images.training[SampleKey(0, index)][1] for index in range(19)])
    for part in (mos[:12], mos[12:]):
        assert part.mean() == pytest.approx(0, abs=1e-12)
        assert part.std() == pytest.approx(1)
    assert np.array_equal(images.labels(mos), mos)
    assert images.datasets["train"].table.mos.max() > 50


def test_the_scale_of_the_second_database_does_not_matter(photo_database, second, tmp_path):
    """Up to the epsilon that guards the losses' denominators."""
    loss = LossConfig(loss_type="linearity", monotonicity_regularization=True)
    rescaled = write_database(tmp_path / "rescaled", FACTOR)
    losses = []
    for name, labels in (("a", second), ("b", rescaled)):
        train(changed(both(photo_database, labels, tmp_path / name, loss=loss), epochs=1, opt_level="O0"))
        with (tmp_path / name / "metrics.csv").open(newline="") as stream:
            losses.append([float(row["loss"]) for row in csv.DictReader(stream) if row["loss"]])
    assert len(losses[0]) == 1
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)


def test_a_killed_run_goes_on_to_the_same_bits_and_says_what_it_was_trained_on(photo_database, second, tmp_path):
    train(both(photo_database, second, tmp_path / "undisturbed"))
    config = both(photo_database, second, tmp_path / "killed", save_minutes=0)
    with killed_at(TrainingStep, "update", 7):  # of 5 batches an epoch
        train(config)
    result = train(config)
    assert traces(tmp_path / "killed") == traces(tmp_path / "undisturbed")
    assert result.results["database"] == "labels"
    assert open_model(result.model_file).record.database == "labels + second"


def test_other_labels_of_the_second_database_are_another_run(photo_database, second, tmp_path):
    facts = [
        images_of(both(photo_database, labels, tmp_path)).facts
        for labels in (second, write_database(tmp_path / "other", 2.0))
    ]
    assert facts[0] != facts[1]
    assert facts[0]["mos"] == facts[1]["mos"]


def test_both_are_read_from_their_caches(photo_database, second, tmp_path):
    config = both(photo_database, second, tmp_path / "run")
    plain = images_of(config)
    cached = images_of(replace(config, device=replace(config.device, cache=str(tmp_path / "cache"))))
    assert cached.training.only_reads
    assert len(list((tmp_path / "cache").iterdir())) == 2
    for index in (0, 11, 12, 18):
        assert np.array_equal(cached.training[SampleKey(0, index)][0], plain.training[SampleKey(0, index)][0])
