"""A run that reads its images from a cache ends in the bits of one that decodes them (oracle: that one)."""

import signal
from dataclasses import replace
from pathlib import Path

import pytest

from linearityiqa.config import AugmentationConfig, TestConfig, TrainConfig
from linearityiqa.data.loading import pixelcache
from linearityiqa.errors import Interrupted
from linearityiqa.evaluation.testing import evaluate_model_file
from linearityiqa.training import train
from small_runs import small_run, traces

pytestmark = pytest.mark.slow

AUGMENTED = AugmentationConfig(augmentation=True, crop_size_h=40, crop_size_w=48)


def cached(config: TrainConfig, folder: Path, workers: int) -> TrainConfig:
    return replace(config, device=replace(config.device, cache=str(folder), num_workers=workers))


def test_weights_metrics_and_predictions_are_the_same(photo_database, tmp_path, monkeypatch):
    """Training images are augmented in a process, those of evaluations only read, by a thread."""

    def config(name: str) -> TrainConfig:
        return replace(small_run(photo_database, tmp_path / name, test_during_training=True), augmentation=AUGMENTED)

    train(config("decoded"))
    train(cached(config("cold"), tmp_path / "cache", workers=1))
    monkeypatch.setattr(pixelcache, "decoded", lambda *a, **k: pytest.fail("decoded"))
    monkeypatch.setattr("linearityiqa.data.loading.dataset.decoded", lambda *a, **k: pytest.fail("decoded"))
    train(cached(config("warm"), tmp_path / "cache", workers=0))
    assert traces(tmp_path / "cold") == traces(tmp_path / "decoded")
    assert traces(tmp_path / "warm") == traces(tmp_path / "decoded")


def test_a_signal_while_images_are_decoded_stops_and_the_same_command_goes_on(photo_database, tmp_path, monkeypatch):
    original, paths = pixelcache.decoded, []

    def interrupted_once(path, *args, **kwargs):
        paths.append(path)
        if len(paths) == 5:
            signal.raise_signal(signal.SIGTERM)
        return original(path, *args, **kwargs)

    monkeypatch.setattr(pixelcache, "decoded", interrupted_once)
    config = cached(small_run(photo_database, tmp_path / "run"), tmp_path / "cache", workers=0)
    with pytest.raises(Interrupted, match="decoded into the cache is kept, and the same command resumes") as stop:
        train(config)
    assert stop.value.exit_status == 143
    train(config)
    assert len(set(paths)) == 24
    assert [path for path in paths if paths.count(path) > 1] == [paths[4]] * 2  # the one that it was stopped at


def test_a_finished_run_makes_no_cache_to_say_so(photo_database, tmp_path):
    config = small_run(photo_database, tmp_path / "run")
    first = train(config)
    assert train(cached(config, tmp_path / "cache", workers=0)).results == first.results
    assert not (tmp_path / "cache").exists()


def test_a_test_of_the_model_file_reads_the_same_cache(photo_database, tmp_path, monkeypatch):
    config = cached(small_run(photo_database, tmp_path / "run"), tmp_path / "cache", workers=0)
    result = train(config)
    monkeypatch.setattr("linearityiqa.data.loading.dataset.decoded", lambda *a, **k: pytest.fail("decoded"))
    asked = TestConfig(data=config.data, device=config.device, optimiser=config.optimiser)
    outcome = evaluate_model_file(asked, result.model_file)
    assert outcome.results["splits"]["test"]["fused"]["SROCC"] == result.figure("test", "SROCC")
