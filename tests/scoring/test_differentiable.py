"""Oracle: the scorer's own scores; finite differences; and that steps along the gradient raise the score."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from formula import formula_network
from linearityiqa.config import ModelConfig, TransformConfig
from linearityiqa.errors import ConfigError, ImageTooSmallError
from linearityiqa.images import IMAGENET
from linearityiqa.models import LinearityIQA, save_model
from linearityiqa.scoring import Scorer
from linearityiqa.scoring.differentiable import DifferentiableQuality, ImageQualityLoss
from pixel_runtime import MAPPING, PixelRuntime, make_record

MODEL = ModelConfig(architecture="alexnet")
RESIZED = TransformConfig(resize=True, resize_size_h=64, resize_size_w=96)


@pytest.fixture(scope="module")
def network() -> LinearityIQA:
    return formula_network()


@pytest.fixture
def scorer(network: LinearityIQA, tmp_path: Path) -> Scorer:
    path = tmp_path / "model.safetensors"
    save_model(path, network, make_record(model=MODEL, transform=RESIZED))
    return Scorer(path, device="cpu")


def pictures(count: int, height: int, width: int) -> np.ndarray:
    rng = np.random.default_rng(5)
    coarse = rng.integers(0, 256, (count, height // 8, width // 8, 3), np.uint8)
    return np.stack([np.asarray(Image.fromarray(one).resize((width, height))) for one in coarse])


def as_tensor(images: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(images).permute(0, 3, 1, 2) / 255


def test_scores_are_those_of_the_scorer(scorer: Scorer) -> None:
    module = scorer.as_module()
    same_size = pictures(3, 64, 96)
    expected = [scorer.score(image) for image in same_size]
    assert np.std(expected) > 0
    np.testing.assert_allclose(module(as_tensor(same_size)).detach(), expected, rtol=1e-4)


def test_scores_of_resized_images_are_those_of_pillows_resizing_without_its_rounding(
    scorer: Scorer, network: LinearityIQA
) -> None:
    images = pictures(2, 152, 200)
    bands = [[Image.fromarray(band.astype(np.float32)) for band in image.transpose(2, 0, 1)] for image in images]
    resized = np.array([[np.asarray(b.resize((96, 64), Image.Resampling.BILINEAR)) for b in image] for image in bands])
    mean, std = (np.array(values).reshape(3, 1, 1) for values in (IMAGENET.mean, IMAGENET.std))
    with torch.no_grad():
        raw = network(torch.from_numpy((resized / 255 - mean) / std).float()).fused.numpy()
    np.testing.assert_allclose(scorer.as_module()(as_tensor(images)).detach(), MAPPING.fused(raw), rtol=1e-4)


def test_the_gradient_is_that_of_finite_differences(network: LinearityIQA) -> None:
    quality = DifferentiableQuality(network, make_record(transform=RESIZED)).double()
    image = as_tensor(pictures(1, 80, 80)).double().requires_grad_()
    direction = torch.randn(image.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    (gradient,) = torch.autograd.grad(quality(image).sum(), image)
    step = 1e-6
    with torch.no_grad():
        difference = (quality(image + step * direction) - quality(image - step * direction)) / (2 * step)
    assert float(difference) == pytest.approx(float((gradient * direction).sum()), rel=1e-3)


def test_steps_along_the_gradient_raise_the_score_that_files_get(scorer: Scorer) -> None:
    loss = scorer.as_loss()
    start = pictures(1, 64, 96)
    image = as_tensor(start).clone().requires_grad_()
    optimiser = torch.optim.Adam([image], lr=0.02)
    losses = []
    for _ in range(6):
        value = loss(image)
        optimiser.zero_grad()
        value.backward()
        optimiser.step()
        with torch.no_grad():
            image.clamp_(0, 1)
        losses.append(value.item())
    assert losses[-1] < losses[0]
    after = np.round(255 * image.detach()[0].permute(1, 2, 0).numpy()).astype(np.uint8)
    assert scorer.score(after) > scorer.score(start[0])


def test_the_loss_is_the_share_of_the_scale_that_is_lost(network: LinearityIQA) -> None:
    record = make_record(transform=RESIZED)
    quality = DifferentiableQuality(network, record)
    images = as_tensor(pictures(2, 64, 96))
    scores = quality(images)
    assert record.scale is not None
    expected = (record.scale.high - scores) / (record.scale.high - record.scale.low)
    torch.testing.assert_close(ImageQualityLoss(quality, "none")(images), expected)
    torch.testing.assert_close(ImageQualityLoss(quality)(images), expected.mean())
    torch.testing.assert_close(ImageQualityLoss(quality, "sum")(images), expected.sum())
    unknown = DifferentiableQuality(network, replace(record, scale=None))
    torch.testing.assert_close(ImageQualityLoss(unknown)(images), -scores.mean())
    with pytest.raises(ConfigError, match="reduction"):
        ImageQualityLoss(quality, "median")  # type: ignore[arg-type]


def test_the_model_stays_as_it_is(scorer: Scorer) -> None:
    loss = scorer.as_loss()
    before = {name: value.clone() for name, value in loss.quality.network.state_dict().items()}
    torch.nn.Sequential(loss).train()
    assert not any(module.training for module in loss.quality.modules())
    assert not any(parameter.requires_grad for parameter in loss.parameters())
    image = as_tensor(pictures(1, 64, 96)).requires_grad_()
    loss(image).backward()
    assert image.grad is not None
    for name, value in loss.quality.network.state_dict().items():
        assert torch.equal(value, before[name]), name
    loss.quality.network.fused.linear.weight.zero_()
    assert scorer.score(pictures(1, 64, 96)[0]) != pytest.approx(MAPPING.fused.intercept)


@pytest.mark.parametrize(
    ("images", "error"),
    [
        (torch.zeros(1, 3, 64, 96, dtype=torch.uint8), TypeError),
        (torch.zeros(3, 64, 96), ValueError),
        (torch.zeros(1, 1, 64, 96), ValueError),
    ],
)
def test_images_of_another_kind_are_refused(
    network: LinearityIQA, images: torch.Tensor, error: type[Exception]
) -> None:
    with pytest.raises(error, match="images must"):
        DifferentiableQuality(network, make_record())(images)


@pytest.mark.parametrize("low_high", [(0, 255), (-1, 1), (float("nan"), 1)])
def test_the_first_images_of_another_range_are_refused(scorer: Scorer, low_high: tuple[float, float]) -> None:
    low, high = low_high
    images = as_tensor(pictures(2, 64, 96))
    for module in (scorer.as_loss(), scorer.as_module()):
        with pytest.raises(ValueError, match=r"must lie in 0\.\.1: divide 0\.\.255 by 255"):
            module(low + (high - low) * images)


def test_the_range_is_checked_once_and_an_overshoot_taken_as_it_is(scorer: Scorer, network: LinearityIQA) -> None:
    loss = scorer.as_loss("none")
    images = 1.5 * as_tensor(pictures(2, 64, 96)) - 0.25
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (IMAGENET.mean, IMAGENET.std))
    for values in (images[:0], images, 255 * images):
        raw = network((values - mean) / std).fused
        expected = (100 - (MAPPING.fused.slope * raw + MAPPING.fused.intercept)) / 99
        torch.testing.assert_close(loss(values), expected)


def test_a_checkpoint_holds_nothing_of_the_model_and_loads_with_or_without_it(scorer: Scorer) -> None:
    plain = torch.nn.ModuleDict({"generator": torch.nn.Conv2d(3, 3, 1)})
    scored = torch.nn.ModuleDict({"generator": torch.nn.Conv2d(3, 3, 1), "loss": scorer.as_loss()})
    assert list(scored.state_dict()) == list(plain.state_dict())
    images = as_tensor(pictures(1, 64, 96))
    before = scored["loss"](images)
    scored.load_state_dict(plain.state_dict())
    assert torch.equal(scored["generator"].weight, plain["generator"].weight)
    network = scored["loss"].quality.network
    of_1_0_0 = {f"loss.quality.network.{name}": 0 * value for name, value in network.state_dict().items()}
    scored.load_state_dict(plain.state_dict() | of_1_0_0 | {"loss.quality.network.gone": torch.zeros(1)})
    torch.testing.assert_close(scored["loss"](images), before)


def test_images_too_small(network: LinearityIQA) -> None:
    with pytest.raises(ImageTooSmallError):
        DifferentiableQuality(formula_network(P6=2), make_record())(torch.zeros(1, 3, 8, 8))


def test_a_model_that_torch_does_not_run_has_no_gradients() -> None:
    with pytest.raises(ConfigError, match="torch"):
        Scorer(PixelRuntime()).as_loss()
