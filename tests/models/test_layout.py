"""Oracle: the same network in the usual layout, in float64 where precision matters."""

import copy

import pytest
import torch
from torch import nn

from linearityiqa.config import LossConfig, ModelConfig
from linearityiqa.losses import QualityLoss
from linearityiqa.models import LinearityIQA
from linearityiqa.models.device import Layout, arrange, can_be_blocked

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="torch is built without oneDNN"),
]
BLOCKED = ("resnet18", "resnet50", "resnext50_32x4d", "vgg11_bn", "alexnet")


@pytest.fixture
def seen(monkeypatch) -> list[bool]:
    """For each convolution that is called, whether it is handed blocks."""
    found = []
    forward = nn.Conv2d.forward

    def watched(self: nn.Conv2d, maps: torch.Tensor) -> torch.Tensor:
        if maps.device.type == "cpu":  # and not "meta", where a new network works out its taps
            found.append(maps.is_mkldnn)
        return forward(self, maps)

    monkeypatch.setattr(nn.Conv2d, "forward", watched)
    return found


def network_of(architecture: str, layout: Layout) -> LinearityIQA:
    torch.manual_seed(0)
    network = LinearityIQA(ModelConfig(architecture=architecture))
    arrange(network, layout)
    return network


def images_of(count: int = 4) -> torch.Tensor:
    torch.manual_seed(1)
    return torch.randn(count, 3, 96, 128)


def step(network: LinearityIQA, images: torch.Tensor) -> dict[str, torch.Tensor]:
    """Gradients, running statistics and scores of one training step."""
    network.train().zero_grad()
    scores = network(images)
    QualityLoss(LossConfig())(scores, torch.arange(len(images)).to(images.dtype)).backward()
    found = {name: weight.grad for name, weight in network.named_parameters()}
    return found | dict(network.named_buffers()) | scores._asdict()


@pytest.mark.parametrize("architecture", BLOCKED)
def test_a_training_step_in_blocks_is_that_of_the_usual_layout(architecture, seen) -> None:
    images = images_of()
    network = network_of(architecture, Layout.BLOCKED)
    blocked = step(network, images)
    assert seen
    assert all(seen)
    exact = step(network_of(architecture, Layout.USUAL).double(), images.double())
    assert len(blocked) == len(exact) > 30
    for name, expected in exact.items():
        # any rounding turns some signs in ReLUs and in the loss, whatever the layout: 3 % of a gradient at worst
        error, scale = (blocked[name] - expected).double().norm().item(), expected.double().norm().item()
        assert error <= 0.05 * scale + 1e-3, name  # biases before batch normalisation have no gradient but rounding


@pytest.mark.parametrize("architecture", BLOCKED)
def test_scores_in_blocks_are_the_usual_ones(architecture, seen) -> None:
    images = images_of()
    network = network_of(architecture, Layout.BLOCKED).eval()
    with torch.inference_mode():
        found = network(images)
        assert seen
        assert all(seen)
        expected = network_of(architecture, Layout.USUAL).eval()(images)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-5)


def test_weights_and_their_names_are_the_usual_ones() -> None:
    layouts = Layout.BLOCKED, Layout.USUAL
    blocked, usual = (network_of("resnet18", layout).state_dict() for layout in layouts)
    assert list(blocked) == list(usual)
    assert all(torch.equal(value, usual[name]) and not value.is_mkldnn for name, value in blocked.items())


def test_a_copy_computes_in_blocks_too(seen) -> None:
    with torch.inference_mode():
        copy.deepcopy(network_of("alexnet", Layout.BLOCKED))(images_of())
    assert seen
    assert all(seen)


def test_frozen_batch_norm_is_trained_in_the_usual_layout(seen) -> None:
    network = network_of("resnet18", Layout.BLOCKED)
    network.freeze_batch_norm()
    found = step(network, images_of())
    assert not any(seen)
    assert all(torch.isfinite(value).all() for value in found.values())


def test_other_number_types_are_computed_in_the_usual_layout(seen) -> None:
    network = network_of("resnet18", Layout.BLOCKED).eval()
    with torch.inference_mode():
        with torch.autocast("cpu", dtype=torch.bfloat16):
            network(images_of(1))
        network.double()(images_of(1).double())
    assert seen
    assert not any(seen)


def test_gradients_of_images_pass_through_the_blocks() -> None:
    """Of a score, as a loss of image restoration wants them."""
    gradients = []
    for layout in (Layout.BLOCKED, Layout.USUAL):
        images = images_of().requires_grad_()
        network_of("vgg11", layout).eval()(images).fused.sum().backward()
        gradients.append(images.grad)
    torch.testing.assert_close(*gradients, rtol=1e-3, atol=5e-6)


@pytest.mark.parametrize("architecture", ["mobilenet_v2", "densenet121", "squeezenet1_1", "efficientnet_b0"])
def test_backbones_with_other_operations_are_not_for_blocks(architecture) -> None:
    with torch.device("meta"):
        assert not can_be_blocked(LinearityIQA(ModelConfig(architecture=architecture)).backbone)
