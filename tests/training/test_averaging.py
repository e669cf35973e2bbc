"""Oracle: the recurrence written out in numpy for every weight and statistic."""

import numpy as np
import torch

from linearityiqa.config import ModelConfig
from linearityiqa.models import LinearityIQA
from linearityiqa.training.optimisation import WeightAverage
from small_runs import SMALL_BACKBONE

DECAY = 0.25


def network() -> LinearityIQA:
    torch.manual_seed(0)
    return LinearityIQA(ModelConfig(architecture=SMALL_BACKBONE))


def moved(network: LinearityIQA, step: int) -> None:
    """Change every number of a network, as a step of training does."""
    generator = torch.Generator().manual_seed(step)
    for value in network.state_dict().values():
        if value.is_floating_point():
            value += torch.rand(value.shape, generator=generator)
        else:
            value += 1


def numbers(network: LinearityIQA) -> dict[str, np.ndarray]:
    return {name: value.numpy().astype(np.float64) for name, value in network.state_dict().items()}


def test_weights_and_statistics_follow_the_recurrence_and_counters_are_copied() -> None:
    trained = network()
    average, expected = WeightAverage(trained, DECAY), numbers(trained)
    for step in range(1, 6):
        moved(trained, step)
        average.update(trained)
        decay = min(DECAY, step / (step + 9))
        expected = {name: decay * expected[name] + (1 - decay) * value for name, value in numbers(trained).items()}
    for name, value in numbers(average.network).items():
        counter = name.endswith("num_batches_tracked")
        np.testing.assert_allclose(value, 5 if counter else expected[name], rtol=1e-5, atol=1e-6, err_msg=name)


def test_the_average_is_a_network_apart_that_nothing_trains() -> None:
    trained = network()
    average = WeightAverage(trained, DECAY)
    before = numbers(average.network)
    moved(trained, 1)
    assert all(np.array_equal(before[name], value) for name, value in numbers(average.network).items())
    assert not any(parameter.requires_grad for parameter in average.network.parameters())
    assert all(parameter.requires_grad for parameter in trained.parameters())


def test_a_saved_average_goes_on_to_the_same_bits() -> None:
    trained = network()
    undisturbed = WeightAverage(trained, 0.9)
    moved(trained, 1)
    undisturbed.update(trained)
    resumed = WeightAverage(network(), 0.9)
    resumed.load_state_dict(undisturbed.state_dict())
    moved(trained, 2)
    for average in (undisturbed, resumed):
        average.update(trained)
    ours, theirs = undisturbed.network.state_dict(), resumed.network.state_dict()
    assert all(torch.equal(value, theirs[name]) for name, value in ours.items())
