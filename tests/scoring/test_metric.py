"""Oracle: the mean of the scorer's scores, with torchmetrics and without it."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from formula import formula_network
from linearityiqa.config import ModelConfig
from linearityiqa.errors import ConfigError
from linearityiqa.models import save_model
from linearityiqa.scoring import Scorer, metric
from pixel_runtime import PixelRuntime, make_record


@pytest.fixture(scope="module")
def model_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("metric") / "model.safetensors"
    save_model(path, formula_network(), make_record(model=ModelConfig(architecture="alexnet")))
    return path


@pytest.fixture(params=["with torchmetrics", "without"])
def module(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The metric's module, imported where torchmetrics is and where it is not installed."""
    if request.param == "without":
        monkeypatch.setitem(sys.modules, "torchmetrics", None)
        yield importlib.reload(metric)
        monkeypatch.undo()
        importlib.reload(metric)
    else:
        pytest.importorskip("torchmetrics", reason="torchmetrics is not installed")
        yield metric


def images(count: int) -> torch.Tensor:
    return torch.randint(0, 256, (count, 3, 64, 80), dtype=torch.uint8, generator=torch.Generator().manual_seed(count))


def test_it_is_the_mean_of_the_scores(module: ModuleType, model_file: Path) -> None:
    scorer = Scorer(model_file, device="cpu")
    quality = module.QualityMetric(scorer)
    scores = []
    for count in (1, 4, 2):
        quality.update(images(count))
        scores += [scorer.score(image.permute(1, 2, 0).numpy()) for image in images(count)]
    assert float(quality.compute()) == pytest.approx(np.mean(scores), rel=1e-5)
    quality.reset()
    quality.update(images(1))
    assert float(quality.compute()) == pytest.approx(scores[0], rel=1e-5)


def test_a_call_gives_the_value_of_the_batch_and_adds_it(module: ModuleType, model_file: Path) -> None:
    quality, alone = module.QualityMetric(model_file), module.QualityMetric(model_file)
    for count in (2, 3):
        alone.reset()
        alone.update(images(count))
        assert float(quality(images(count))) == pytest.approx(float(alone.compute()), rel=1e-6)
    both = module.QualityMetric(model_file)
    both.update(torch.cat([images(2), images(3)]) / 255)  # floating point in 0..1
    assert float(quality.compute()) == pytest.approx(float(both.compute()), rel=1e-5)


def test_it_leaves_training_alone(module: ModuleType, model_file: Path) -> None:
    generator = torch.nn.Conv2d(3, 3, 1)
    quality = torch.nn.ModuleDict({"generator": generator, "quality": module.QualityMetric(model_file)}).train()
    made = torch.sigmoid(generator(images(2) / 255))
    quality["quality"].update(made)
    assert not quality["quality"].compute().requires_grad
    assert {p for p in quality.parameters() if p.requires_grad} == set(generator.parameters())


def test_it_works_in_a_collection_of_torchmetrics(model_file: Path) -> None:
    torchmetrics = pytest.importorskip("torchmetrics", reason="torchmetrics is not installed")
    collection = torchmetrics.MetricCollection({"quality": metric.QualityMetric(model_file)})
    collection.update(images(2))
    alone = metric.QualityMetric(model_file)
    alone.update(images(2))
    assert float(collection.compute()["quality"]) == float(alone.compute())
    collection.reset()
    assert int(collection["quality"].count) == 0


def test_a_model_that_torch_does_not_run() -> None:
    with pytest.raises(ConfigError, match="torch"):
        metric.QualityMetric(Scorer(PixelRuntime()))
