"""Oracles: torch's own schedulers stepped through a run, and warm-ups worked out by hand."""

import pytest
import torch

from linearityiqa.config import OptimiserConfig
from linearityiqa.training.schedules import Schedule

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
