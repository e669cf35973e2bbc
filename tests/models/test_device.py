"""Oracles: torch and the environment; the built-in map; the network before its batch normalisation is folded away."""

import itertools
import threading

import pytest
import torch

from linearityiqa.config import ModelConfig
from linearityiqa.errors import ConfigError
from linearityiqa.machine import MOST_LANES
from linearityiqa.models import LinearityIQA
from linearityiqa.models.device import fuse_batch_norm, in_parallel, parallel_batches, resolve_device, visible_gpus


@pytest.mark.parametrize(
    ("named", "count", "expected"),
    [
        (None, 0, ()),
        (None, 2, ("0", "1")),
        ("3,GPU-1a", 2, ("3", "GPU-1a")),
        ("1,0,-1,5", 2, ("1", "0")),  # what follows an invalid number does not count
        ("", 0, ()),
    ],
)
def test_gpus_by_the_names_that_the_environment_gives(monkeypatch, named, count, expected):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if named is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", named)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    assert visible_gpus() == expected


def test_devices_by_name():
    assert resolve_device("cpu").type == "cpu"
    assert resolve_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    for name in ("quantum", "cuda:99"):
        with pytest.raises(ConfigError, match="cannot be used here"):
            resolve_device(name)


@pytest.fixture(autouse=True)
def threads():
    """Four threads, and afterwards as many as before."""
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("lanes", [1, 2, 3])
def test_results_come_in_order_and_from_inference_mode(lanes) -> None:
    found = list(in_parallel(lambda item: (item**2, torch.is_inference_mode_enabled()), range(20), lanes))
    assert found == [(item**2, True) for item in range(20)]
    assert not torch.is_inference_mode_enabled()


def test_lanes_run_at_once_and_share_the_threads() -> None:
    together = threading.Barrier(2, timeout=60)

    def meet(_: int) -> int:
        together.wait()
        return torch.get_num_threads()

    assert list(in_parallel(meet, range(4), 2)) == [2] * 4
    assert torch.get_num_threads() == 4
    found = []
    other = threading.Thread(target=lambda: found.append(torch.get_num_threads()))
    other.start()
    other.join()
    assert found == [4]


def test_items_are_read_a_little_ahead_only() -> None:
    read = []
    endless = (read.append(number) or number for number in itertools.count())
    results = in_parallel(lambda item: item, endless, 2)
    assert list(itertools.islice(results, 5)) == [0, 1, 2, 3, 4]
    assert len(read) <= 5 + 2
    results.close()


def test_a_failure_is_raised_where_its_result_is_due() -> None:
    def fails_at_two(item: int) -> int:
        if item == 2:
            raise ValueError("two")
        return item

    results = in_parallel(fails_at_two, range(10), 2)
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(ValueError, match="two"):
        next(results)
    assert torch.get_num_threads() == 4


def test_a_cpu_has_as_many_lanes_as_threads_up_to_a_bound_and_a_gpu_one() -> None:
    assert parallel_batches(torch.device("cpu")) == 4
    torch.set_num_threads(MOST_LANES + 1)
    assert parallel_batches(torch.device("cpu")) == MOST_LANES
    assert parallel_batches(torch.device("cuda")) == 1


@pytest.mark.parametrize("architecture", ["resnet18", "shufflenet_v2_x0_5", "alexnet"])
def test_scores_stay_the_same_without_batch_norm(architecture: str) -> None:
    torch.manual_seed(0)
    network = LinearityIQA(ModelConfig(architecture=architecture, P6=2))
    images = torch.randn(4, 3, 96, 128) * torch.tensor([0.2, 0.5, 1, 2])[:, None, None, None]
    for module in network.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.momentum = 1.0  # statistics of these very images, far from those of a new layer
    with torch.no_grad():
        network(images)
        expected = network.eval()(images)
        fused = fuse_batch_norm(network)
        found = fused(images)
    assert expected.fused.std() > 1e-2
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in fused.backbone.modules())


def test_a_backbone_that_cannot_be_followed_stays() -> None:
    class Choosing(torch.nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return images if images.sum() > 0 else -images

    network = LinearityIQA(ModelConfig(architecture="alexnet")).eval()
    network.backbone = choosing = Choosing().eval()
    assert fuse_batch_norm(network).backbone is choosing
