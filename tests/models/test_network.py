"""The assembled network: shapes, modes, limits."""

import pytest
import torch

from linearityiqa.config import ModelConfig
from linearityiqa.errors import ImageTooSmallError
from linearityiqa.models import LinearityIQA
from linearityiqa.quality import QualityScores


@pytest.fixture
def images() -> torch.Tensor:
    return torch.randn(3, 3, 96, 128, generator=torch.Generator().manual_seed(1))


def test_scores_have_names_and_one_value_an_image(formula_network, images):
    scores = formula_network(pool="mean-std", P6=2)(images)
    assert isinstance(scores, QualityScores)
    assert [score.shape for score in scores] == [(3,)] * 3


def test_scores_in_evaluation_do_not_depend_on_the_batch(formula_network, images):
    """Oracle: each image alone."""
    network = formula_network()
    together = torch.stack(network(images))
    alone = torch.stack([torch.cat(network(image[None])) for image in images], dim=1)
    torch.testing.assert_close(together, alone)


def test_fused_score_is_linear_in_the_features_of_both_stages(formula_network, images):
    """Oracle: the linear head applied by hand to what the stages' reductions give."""
    network = formula_network()
    features = []
    for stage in (network.stage3, network.stage4):
        stage.reduce.register_forward_hook(lambda module, inputs, output: features.append(output))
    scores = network(images)
    expected = torch.cat(features, dim=1) @ network.fused.linear.weight[0] + network.fused.linear.bias
    torch.testing.assert_close(scores.fused, expected)


def test_parameters_are_the_backbones_or_the_heads(formula_network):
    network = formula_network(use_bn_end=True)
    backbone, heads = list(network.backbone_parameters()), list(network.head_parameters())
    everything = {id(parameter) for parameter in network.parameters()}
    assert {id(p) for p in backbone} | {id(p) for p in heads} == everything
    assert len(backbone) + len(heads) == len(everything)
    assert sum(p.numel() for p in backbone) == sum(p.numel() for p in network.backbone.parameters())


def test_initial_heads_follow_torchs_generator():
    def make(seed: int) -> LinearityIQA:
        torch.manual_seed(seed)
        return LinearityIQA(ModelConfig(architecture="squeezenet1_1"))

    first, same, other = make(1), make(1), make(2)
    assert torch.equal(first.fused.linear.weight, same.fused.linear.weight)
    assert torch.equal(first.backbone[0].weight, same.backbone[0].weight)
    assert not torch.equal(first.fused.linear.weight, other.fused.linear.weight)


def test_frozen_batch_norm_keeps_the_backbones_statistics_only(images):
    network = LinearityIQA(ModelConfig(architecture="shufflenet_v2_x0_5"))
    network.freeze_batch_norm()
    before = {name: value.clone() for name, value in network.named_buffers()}
    network.train()
    network(images)
    moved = {name for name, value in network.named_buffers() if not torch.equal(value, before[name])}
    assert moved
    assert not any(name.startswith("backbone.") for name in moved)
    assert network.training
    assert all(parameter.requires_grad for parameter in network.parameters())


def test_batch_norm_moves_where_it_is_not_frozen(images):
    network = LinearityIQA(ModelConfig(architecture="shufflenet_v2_x0_5")).train()
    before = network.backbone.conv1[1].running_mean.clone()
    network(images)
    assert not torch.equal(network.backbone.conv1[1].running_mean, before)


def test_scores_are_float32_under_autocast(formula_network, images):
    """Half precision would tie scores; only the backbone runs in it."""
    network = formula_network()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        scores = network(images)
    assert all(score.dtype == torch.float32 for score in scores)
    torch.testing.assert_close(torch.stack(scores), torch.stack(network(images)), rtol=0.05, atol=0.05)


def test_runs_in_float64(formula_network, images):
    network = formula_network()
    single = torch.stack(network(images))
    torch.testing.assert_close(torch.stack(network.double()(images.double())).float(), single)


@pytest.mark.parametrize(
    ("options", "size", "smallest"),
    [
        ({}, (40, 200), "63 x 200"),  # AlexNet's own limit: 31 + 32 pixels
        ({}, (3, 3), "63 x 63"),
        ({"P7": 2}, (70, 300), "95 x 300"),
        ({"P6": 3}, (63, 150), "111 x 159"),  # 3 x 8 maps: 6 and 9 are the next that three levels divide
    ],
)
def test_too_small_images_are_refused_with_the_smallest_that_work(options, size, smallest):
    with torch.device("meta"):
        network = LinearityIQA(ModelConfig(architecture="alexnet", **options)).eval()
    with pytest.raises(ImageTooSmallError, match=rf"images of {size[0]} x {size[1]} pixels .* is {smallest} pixels"):
        network(torch.zeros(1, 3, *size, device="meta"))
    with pytest.raises(ImageTooSmallError, match=f"is {smallest} pixels"):
        network.check_size(*size)
    height, width = map(int, smallest.split(" x "))
    network.check_size(height, width)
    assert network(torch.zeros(1, 3, height, width, device="meta")).fused.shape == (1,)


def test_other_shapes_are_refused(formula_network):
    with pytest.raises(ValueError, match=r"shape \(N, 3, H, W\), got \(1, 1, 64, 64\)"):
        formula_network()(torch.zeros(1, 1, 64, 64))


def test_other_failures_of_the_backbone_stay_what_they_are(formula_network, images):
    with pytest.raises(RuntimeError, match=r"[Ee]xpected|type"):
        formula_network()(images.long())
