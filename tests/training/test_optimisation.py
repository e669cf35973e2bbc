"""Optimiser groups, label scale, choice of the best epoch: against the paper's recipe worked out by hand.

Schedules: against torch's own, stepped through a run, and warm-ups worked out by hand.
"""

import copy

import numpy as np
import pytest
import torch

from linearityiqa.config import LossConfig, ModelConfig, OptimiserConfig
from linearityiqa.models import LinearityIQA
from linearityiqa.training.images import LabelScaling
from linearityiqa.training.optimisation import Schedule, build_optimizer, restore_optimizer
from linearityiqa.training.step import norms_of_centred
from small_runs import training_step


class SmallHeads(torch.nn.Module):
    """A linear backbone and a linear head."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(2)
        self.trunk, self.head = torch.nn.Linear(3, 4), torch.nn.Linear(4, 1)

    def backbone_parameters(self):
        return self.trunk.parameters()

    def head_parameters(self):
        return self.head.parameters()


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


def test_adamw_decays_weights_alone_and_both_parts_at_their_own_rates(network) -> None:
    """Without a gradient, a step of AdamW is w *= 1 - rate * decay."""
    config = OptimiserConfig(optimizer="adamw", learning_rate=0.5, ft_lr_ratio=0.1, weight_decay=0.2)
    optimizer = build_optimizer(copy.deepcopy(network), config)
    assert type(optimizer) is torch.optim.AdamW
    before = [[p.detach().clone() for p in group["params"]] for group in optimizer.param_groups]
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    for group, olds in zip(optimizer.param_groups, before, strict=True):
        for new, old in zip(group["params"], olds, strict=True):
            torch.testing.assert_close(new, old * (1 - group["lr"] * 0.2) if old.ndim > 1 else old)
    assert sum(len(olds) for olds in before) == len(list(network.parameters()))
    assert {group["lr"] for group in optimizer.param_groups} == {0.5, 0.05}


@pytest.mark.parametrize("name", ["adam", "adamw", "sgd"])
def test_fused_steps_are_those_of_the_plain_optimiser(name) -> None:
    """Three steps, against torch's own optimiser with neither of its fast forms."""
    config = OptimiserConfig(optimizer=name, learning_rate=0.01, weight_decay=0.1)
    ours, theirs = (SmallHeads(), SmallHeads())
    optimizer = build_optimizer(ours, config)
    assert optimizer.defaults["fused"]
    plain = build_optimizer(theirs, config)
    for group in plain.param_groups:
        group.update(fused=False, foreach=False)
    for step in range(3):
        for network, stepped in ((ours, optimizer), (theirs, plain)):
            for number, parameter in enumerate(network.parameters()):
                parameter.grad = torch.full_like(parameter, (-1) ** number * (step + 1) / 7)
            stepped.step()
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(("limit", "factor"), [(0.5, 0.1), (50.0, 1.0), (None, 1.0)])
def test_gradients_are_scaled_down_to_the_norm_over_all_parameters(limit, factor) -> None:
    """A gradient of norm 5; the first step of SGD is the gradient times the rate of its group."""
    network = SmallHeads()
    config = OptimiserConfig(optimizer="sgd", learning_rate=0.1, clip_grad_norm=limit)
    step = training_step(network, config)
    before = [parameter.detach().clone() for parameter in network.parameters()]
    for parameter in network.parameters():
        parameter.grad = torch.zeros_like(parameter)
    network.head.weight.grad[0, 0], network.trunk.weight.grad[0, 0] = 3.0, 4.0
    step.update()
    expected = [0.04 * factor, 0.3 * factor]
    moved = [old - new.detach() for old, new in zip(before, network.parameters(), strict=True)]
    assert sorted(float(change.abs().max()) for change in moved)[-2:] == pytest.approx(expected, rel=1e-4)


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


@pytest.mark.parametrize(
    ("beta", "head"), [((1, 0, 0), "stage3"), ((0, 1, 0), "stage4"), ((0.1, 0.1, 1), "fused"), ((1, 1, 0), "fused")]
)
def test_head_that_chooses_the_best_epoch(beta, head) -> None:
    assert LossConfig(beta=beta).judged_head == head


def test_norms_of_centred_scores_are_numpys() -> None:
    head = np.array([1.0, 2.0, 6.0])
    expected = np.linalg.norm(head - head.mean(), ord=2)
    assert norms_of_centred([torch.tensor(head)], q=2.0).tolist() == pytest.approx([expected])


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd", "adadelta"])
def test_a_restored_optimiser_goes_on_alike_in_another_memory_layout(optimizer: str) -> None:
    """Oracle: the optimiser that was not interrupted, in the layout it began in."""
    torch.manual_seed(0)
    weight, gradients = torch.randn(8, 8, 3, 3), torch.randn(3, 8, 8, 3, 3)
    config = OptimiserConfig(optimizer=optimizer, learning_rate=0.1, ft_lr_ratio=1.0)
    ends = []
    for layout in (torch.contiguous_format, torch.channels_last):
        network = SmallHeads()
        network.trunk.weight = torch.nn.Parameter(weight.clone())
        optimiser = build_optimizer(network, config)
        for gradient in gradients[:2]:
            network.trunk.weight.grad = gradient.clone()
            optimiser.step()
        state = copy.deepcopy(optimiser.state_dict())
        network.trunk.weight.data = network.trunk.weight.data.contiguous(memory_format=layout)
        again = build_optimizer(network, config)
        restore_optimizer(again, state)
        network.trunk.weight.grad = gradients[2].contiguous(memory_format=layout)
        again.step()
        ends.append(network.trunk.weight.detach())
    torch.testing.assert_close(ends[1], ends[0], rtol=0, atol=1e-6)


BATCHES = 5


def optimizer_of(*rates: float) -> torch.optim.SGD:
    return torch.optim.SGD([{"params": [torch.nn.Parameter(torch.zeros(1))], "lr": rate} for rate in rates])


def rates_of(config: OptimiserConfig, *initial: float) -> list[list[float]]:
    """The learning rates of every update of a run."""
    optimizer = optimizer_of(*initial)
    schedule, rates = Schedule(optimizer, config, BATCHES), []
    for epoch in range(1, config.epochs + 1):
        for done in range(0, BATCHES, config.accumulation_steps):
            schedule.set(epoch, done)
            rates.append([group["lr"] for group in optimizer.param_groups])
    return rates


def test_steps_are_those_of_torchs_step_lr_to_the_bit() -> None:
    config = OptimiserConfig(epochs=9, learning_rate=1e-4)
    optimizer = optimizer_of(1e-4, 1e-5)
    theirs, expected = torch.optim.lr_scheduler.StepLR(optimizer, config.lr_decay_epochs, config.lr_decay), []
    for _ in range(config.epochs):
        expected += [[group["lr"] for group in optimizer.param_groups]] * BATCHES
        optimizer.step()
        theirs.step()
    assert rates_of(config, 1e-4, 1e-5) == expected
    assert len({rate for rate, _ in expected}) == 3


def test_cosine_is_that_of_torchs_annealing() -> None:
    config = OptimiserConfig(epochs=3, schedule="cosine")
    optimizer = optimizer_of(0.5, 0.05)
    theirs, expected = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 3 * BATCHES), []
    for _ in range(3 * BATCHES):
        expected.append([group["lr"] for group in optimizer.param_groups])
        optimizer.step()
        theirs.step()
    for ours, rates in zip(rates_of(config, 0.5, 0.05), expected, strict=True):
        assert ours == pytest.approx(rates)


def test_warm_up_rises_linearly_to_the_whole_rate_and_the_cosine_begins_after_it() -> None:
    rates = [rate for (rate,) in rates_of(OptimiserConfig(epochs=3, schedule="cosine", warmup_epochs=1), 1.0)]
    assert rates[:6] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0, 1.0])
    assert rates[10] == pytest.approx(0.5)
    assert 0 < rates[-1] < 0.05


def test_warm_up_of_accumulated_steps_ends_with_its_last_update() -> None:
    config = OptimiserConfig(epochs=2, warmup_epochs=1, accumulation_steps=2)
    assert [rate for (rate,) in rates_of(config, 1.0)] == pytest.approx([0.4, 0.8, 1.0, 1.0, 1.0, 1.0])


def test_a_run_that_only_warms_up() -> None:
    config = OptimiserConfig(epochs=2, schedule="cosine", warmup_epochs=2)
    assert [rate for (rate,) in rates_of(config, 1.0)] == pytest.approx([i / 10 for i in range(1, 11)])


def test_rates_after_a_restart_are_those_of_the_place_in_the_run() -> None:
    config = OptimiserConfig(epochs=3, schedule="cosine", warmup_epochs=0.5)
    whole = rates_of(config, 1.0)
    optimizer = optimizer_of(1.0)
    schedule = Schedule(optimizer, config, BATCHES)
    optimizer.param_groups[0]["lr"] = 0.3  # as loaded from a saved state
    schedule.set(2, 3)
    assert [optimizer.param_groups[0]["lr"]] == whole[8]
