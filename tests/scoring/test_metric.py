"""Oracle: the mean of the scorer's scores."""

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip("torchmetrics", reason="the extra torchmetrics is not installed")

from torchmetrics import MetricCollection

from formula import formula_network
from linearityiqa.config import ModelConfig
from linearityiqa.errors import ConfigError, MissingExtraError
from linearityiqa.models import save_model
from linearityiqa.scoring import Scorer, metric
from linearityiqa.scoring.metric import QualityMetric
from pixel_runtime import PixelRuntime, make_record


@pytest.fixture(scope="module")
def model_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("metric") / "model.safetensors"
    save_model(path, formula_network(), make_record(model=ModelConfig(architecture="alexnet")))
    return path


def images(count: int) -> torch.Tensor:
    return torch.randint(0, 256, (count, 3, 64, 80), dtype=torch.uint8, generator=torch.Generator().manual_seed(count))


def test_it_is_the_mean_of_the_scores(model_file: Path) -> None:
    scorer = Scorer(model_file, device="cpu")
    quality = QualityMetric(scorer)
    scores = []
    for count in (1, 4, 2):
        quality.update(images(count))
        scores += [scorer.score(image.permute(1, 2, 0).numpy()) for image in images(count)]
    assert float(quality.compute()) == pytest.approx(np.mean(scores), rel=1e-5)
    quality.reset()
    quality.update(images(1))
    assert float(quality.compute()) == pytest.approx(scores[0], rel=1e-5)


def test_a_call_gives_the_value_of_the_batch_and_adds_it(model_file: Path) -> None:
    quality, alone = QualityMetric(model_file), QualityMetric(model_file)
    for count in (2, 3):
        alone.reset()
        alone.update(images(count))
        assert float(quality(images(count))) == pytest.approx(float(alone.compute()), rel=1e-6)
    both = QualityMetric(model_file)
    both.update(torch.cat([images(2), images(3)]) / 255)  # floating point in 0..1
    assert float(quality.compute()) == pytest.approx(float(both.compute()), rel=1e-5)


def test_it_leaves_training_alone(model_file: Path) -> None:
    generator = torch.nn.Conv2d(3, 3, 1)
    quality = torch.nn.ModuleDict({"generator": generator, "quality": QualityMetric(model_file)}).train()
    made = torch.sigmoid(generator(images(2) / 255))
    quality["quality"].update(made)
    assert not quality["quality"].compute().requires_grad
    assert {p for p in quality.parameters() if p.requires_grad} == set(generator.parameters())


@pytest.mark.parametrize("change", [lambda x: 255 * x, lambda x: 2 * x - 1, lambda x: x + 0.1])
def test_another_range_is_refused_in_every_batch(model_file: Path, change) -> None:
    quality = QualityMetric(model_file)
    quality.update(images(2))
    with pytest.raises(ValueError, match=r"must lie in 0\.\.1: divide 0\.\.255 by 255"):
        quality.update(change(images(2) / 255))
    assert int(quality.count) == 2


def test_a_checkpoint_is_that_of_the_users_own_module(model_file: Path) -> None:
    """Oracle: the same module without the metric, whose checkpoint loads."""
    plain = torch.nn.ModuleDict({"generator": torch.nn.Conv2d(3, 3, 1)})
    measured = torch.nn.ModuleDict({"generator": torch.nn.Conv2d(3, 3, 1), "quality": QualityMetric(model_file)})
    assert list(measured.state_dict()) == list(plain.state_dict())
    measured.load_state_dict(plain.state_dict())
    measured["quality"].update(images(2))
    alone = QualityMetric(model_file)
    alone.update(images(2))
    assert float(measured["quality"].compute()) == float(alone.compute())


def test_it_works_in_a_collection_of_torchmetrics(model_file: Path) -> None:
    collection = MetricCollection({"quality": QualityMetric(model_file)})
    collection.update(images(2))
    alone = QualityMetric(model_file)
    alone.update(images(2))
    assert float(collection.compute()["quality"]) == float(alone.compute())
    collection.reset()
    assert int(collection["quality"].count) == 0


def test_a_model_that_torch_does_not_run() -> None:
    with pytest.raises(ConfigError, match="torch"):
        QualityMetric(Scorer(PixelRuntime()))


def test_without_torchmetrics_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchmetrics", None)
    with pytest.raises(MissingExtraError, match=r"linearityiqa\[torchmetrics\]"):
        importlib.reload(metric)
