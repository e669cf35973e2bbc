"""Optimiser groups, schedule, label scale, choice of the best epoch: against the paper's recipe worked out by hand."""

import numpy as np
import pytest
import torch

from linearityiqa.config import ModelConfig, OptimiserConfig
from linearityiqa.errors import DataError
from linearityiqa.models import LinearityIQA
from linearityiqa.training.criterion import is_better, judged_head
from linearityiqa.training.optimisation import LabelScaling, build_optimizer
from linearityiqa.training.precision import choose_precision
from linearityiqa.training.step import norms_of_centred


@pytest.fixture(scope="module")
def network() -> LinearityIQA:
    return LinearityIQA(ModelConfig(architecture="shufflenet_v2_x0_5"))


@pytest.mark.parametrize(
    ("name", "kind"),
    [("adam", torch.optim.Adam), ("sgd", torch.optim.SGD), ("adadelta", torch.optim.Adadelta)],
)
def test_backbone_learns_at_a_tenth_of_the_heads_rate(network, name, kind) -> None:
    optimizer = build_optimizer(network, OptimiserConfig(optimizer=name, learning_rate=0.5))
    assert type(optimizer) is kind
    assert [group["lr"] for group in optimizer.param_groups] == [0.5, 0.05]
    assert sum(len(group["params"]) for group in optimizer.param_groups) == len(list(network.parameters()))


def test_ratio_0_freezes_the_backbones_parameters_but_not_its_statistics() -> None:
    network = LinearityIQA(ModelConfig(architecture="shufflenet_v2_x0_5"))
    optimizer = build_optimizer(network, OptimiserConfig(ft_lr_ratio=0))
    before = {name: value.clone() for name, value in network.state_dict().items()}
    network.train()
    sum(head.sum() for head in network(torch.rand(4, 3, 48, 64))).backward()
    optimizer.step()
    moved = {name for name, value in network.state_dict().items() if not torch.equal(value, before[name])}
    backbone = {name for name in moved if name.startswith("backbone")}
    assert any("running_mean" in name for name in backbone)
    assert not any(name.endswith(("weight", "bias")) for name in backbone)
    assert any(name.startswith("fused") for name in moved)


# (epochs, lr_decay, overall_lr_decay) -> epochs between decays: int(E / (1 + log(overall) / log(decay)))
@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ((30, 0.1, 0.01), 10),
        ((20, 0.1, 0.01), 6),
        ((30, 0.5, 0.25), 10),
        ((30, 1.0, 0.01), None),
        ((2, 0.1, 0.01), None),
    ],
)
def test_epochs_between_decays(options, expected) -> None:
    epochs, decay, overall = options
    config = OptimiserConfig(epochs=epochs, lr_decay=decay, overall_lr_decay=overall)
    assert config.lr_decay_epochs == expected


def test_standard_labels_have_zero_mean_and_unit_deviation() -> None:
    mos = np.array([10.0, 20.0, 60.0])
    scaled = LabelScaling.of(OptimiserConfig(label_scale="standard"), mos)(torch.tensor(mos))
    assert scaled.mean().item() == pytest.approx(0, abs=1e-12)
    assert scaled.std(correction=0).item() == pytest.approx(1)
    assert torch.equal(LabelScaling.of(OptimiserConfig(), mos)(torch.tensor(mos)), torch.tensor(mos))


def test_constant_labels_cannot_be_standardised() -> None:
    with pytest.raises(DataError, match="nothing to learn"):
        LabelScaling.of(OptimiserConfig(label_scale="standard"), np.array([5.0, 5.0]))


@pytest.mark.parametrize(
    ("beta", "head"), [((1, 0, 0), "stage3"), ((0, 1, 0), "stage4"), ((0.1, 0.1, 1), "fused"), ((1, 1, 0), "fused")]
)
def test_head_that_chooses_the_best_epoch(beta, head) -> None:
    assert judged_head(beta) == head


@pytest.mark.parametrize(
    ("criterion", "value", "best", "better"),
    [
        ("SROCC", -0.9, 0.8, True),
        ("PLCC", 0.8, 0.8, False),
        ("RMSE", 7.0, 8.0, True),
        ("RMSE", 9.0, 8.0, False),
        ("SROCC", None, 0.1, False),
        ("SROCC", 0.1, None, True),
    ],
)
def test_better(criterion, value, best, better) -> None:
    assert is_better(criterion, value, best) is better


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({}, "float32"),
        ({"opt_level": "O0", "amp_dtype": "bfloat16"}, "float32"),
        ({"amp_dtype": "bfloat16"}, "bfloat16"),
    ],
)
def test_precision_on_a_cpu(options, name) -> None:
    precision = choose_precision(OptimiserConfig(**options), torch.device("cpu"))
    assert precision.name == name
    with precision.autocast():
        product = torch.ones(2, 2) @ torch.ones(2, 2)
    assert str(product.dtype) == f"torch.{name}"


def test_norms_of_centred_scores_are_numpys() -> None:
    head = np.array([1.0, 2.0, 6.0])
    expected = np.linalg.norm(head - head.mean(), ord=2)
    assert norms_of_centred([torch.tensor(head)], q=2.0).tolist() == pytest.approx([expected])
