"""Oracles: `images.normalise`, to the bit; and the order in which a stand-in for a GPU is asked for things."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from linearityiqa.data.loading.dataset import Batch
from linearityiqa.evaluation import prefetch
from linearityiqa.evaluation.prefetch import NetworkBatch, network_batches, normalised
from linearityiqa.images import IMAGENET, Normalisation, normalise

CPU = torch.device("cpu")


def pixels(count: int, height: int, width: int) -> torch.Tensor:
    rng = np.random.default_rng(height * width)
    return torch.from_numpy(rng.integers(0, 256, (count, height, width, 3), dtype=np.uint8))


@pytest.mark.parametrize("normalisation", [IMAGENET, Normalisation((0.5, 0.5, 0.4), (0.5, 0.2, 0.5))])
@pytest.mark.parametrize("size", [(1, 1), (16, 16), (7, 31)])
def test_values_are_those_of_the_shared_transform_to_the_bit(size, normalisation):
    batch = pixels(3, *size)
    batch.view(-1)[: min(256, batch.numel())] = torch.arange(256, dtype=torch.uint8)[: batch.numel()]
    images = normalised(batch, normalisation)
    assert images.is_contiguous(memory_format=torch.channels_last)
    for image, given in zip(images, batch, strict=True):
        assert np.array_equal(image.numpy(), normalise(Image.fromarray(given.numpy()), None, normalisation))


def test_what_an_evaluation_made_first_serves_training_too():
    with torch.inference_mode():
        normalised(pixels(1, 4, 53), IMAGENET)
    images = normalised(pixels(1, 4, 53), IMAGENET)
    weight = torch.ones(1, requires_grad=True)
    (images * weight).sum().backward()
    assert weight.grad is not None


def test_an_empty_share_of_a_batch_passes():
    assert normalised(pixels(0, 4, 5), IMAGENET).shape == (0, 3, 4, 5)


def test_batches_arrive_whole_and_in_order():
    batches = [Batch(pixels(2, 4, 5) + step, torch.tensor([1.0, step]), torch.tensor([step, 9])) for step in range(3)]
    arrived = list(network_batches(batches, CPU, IMAGENET))
    for ours, given in zip(arrived, batches, strict=True):
        assert torch.equal(ours.images, normalised(given.images, IMAGENET))
        assert torch.equal(ours.mos, given.mos)
        assert torch.equal(ours.indices, given.indices)


def test_on_a_gpu_the_next_batch_is_asked_for_before_the_last_is_handed_over(monkeypatch):
    """Copies run on a stream of their own; a batch is handed over once the computing stream waits for its copy."""
    events: list[tuple[str, int]] = []

    class Copying:
        copies = 0

        def __init__(self, device):
            self.device = device

        def __enter__(self):
            return self

        def __exit__(self, *exception):
            return False

        def record_event(self):
            Copying.copies += 1
            return Copying.copies

    def part(number: int) -> SimpleNamespace:
        return SimpleNamespace(device=CPU, record_stream=lambda stream: events.append(("kept", number)))

    numbers = iter(range(1, 4))
    computing = SimpleNamespace(wait_event=lambda number: events.append(("waits for", number)))
    monkeypatch.setattr(torch.cuda, "Stream", Copying)
    monkeypatch.setattr(torch.cuda, "stream", lambda stream: stream)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: computing)

    def transferred(batch, device, normalisation):
        number = next(numbers)
        events.append(("copies", number))
        return NetworkBatch(part(number), part(number), number)

    monkeypatch.setattr(prefetch, "transfer", transferred)
    for batch in network_batches([None] * 3, SimpleNamespace(type="cuda"), IMAGENET):
        events.append(("computes", batch.indices))
    assert [event for event in events if event[0] != "kept"] == [
        ("copies", 1),
        ("copies", 2),
        ("waits for", 1),
        ("computes", 1),
        ("copies", 3),
        ("waits for", 2),
        ("computes", 2),
        ("waits for", 3),
        ("computes", 3),
    ]
    assert events.count(("kept", 2)) == 2, "images and MOS are kept until the computation is done with them"
