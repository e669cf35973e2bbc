"""Oracle: torch's own convolution with the same weights."""

import copy

import pytest
import torch
from torch import Tensor, nn

from linearityiqa.models import convolutions
from linearityiqa.models.convolutions import WinogradConv2d, is_wide, use_winograd


def pair_of(*, bias: bool = True) -> tuple[nn.Conv2d, WinogradConv2d]:
    torch.manual_seed(0)
    original = nn.Conv2d(128, 128, 3, padding=1, bias=bias)
    return original, WinogradConv2d(original)


def maps_of(size: int = 24) -> Tensor:
    torch.manual_seed(1)
    return torch.randn(2, 128, size, size)


@pytest.fixture
def transformed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """One entry for each time that kernels are brought to their points."""
    calls: list[int] = []
    original = convolutions.kernels_at_points

    def counted(weight: Tensor) -> Tensor:
        calls.append(1)
        return original(weight)

    monkeypatch.setattr(convolutions, "kernels_at_points", counted)
    return calls


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("channels_last", [True, False])
def test_maps_and_gradients_are_those_of_the_original(bias: bool, channels_last: bool) -> None:
    original, fast = pair_of(bias=bias)
    results = []
    for module in (original, fast):
        maps = maps_of()
        maps = maps.contiguous(memory_format=torch.channels_last) if channels_last else maps
        maps.requires_grad_()
        original.zero_grad()
        result = module(maps)
        result.square().sum().backward()
        results.append((result.detach(), maps.grad, *(p.grad.clone() for p in original.parameters())))
    for expected, found in zip(*results, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4 * expected.abs().max().item())
    with torch.inference_mode():
        torch.testing.assert_close(fast(maps_of()), results[0][0], rtol=1e-3, atol=1e-4)


def test_kernels_are_transformed_once_between_changes_of_the_weights(transformed: list[int]) -> None:
    original, fast = pair_of()
    with torch.inference_mode():
        first = fast(maps_of())
        again = fast(maps_of())
    assert len(transformed) == 1
    assert torch.equal(first, again)
    with torch.no_grad():
        original.weight.mul_(2)
        changed = fast(maps_of())
    assert len(transformed) == 2
    with torch.inference_mode():
        torch.testing.assert_close(changed, original(maps_of()), rtol=1e-3, atol=1e-4)


def test_an_optimiser_step_counts_as_a_change(transformed: list[int]) -> None:
    original, fast = pair_of()
    optimizer = torch.optim.Adam(original.parameters(), lr=0.1)
    with torch.inference_mode():
        fast(maps_of())
    fast(maps_of()).sum().backward()
    optimizer.step()
    with torch.inference_mode():
        torch.testing.assert_close(fast(maps_of()), original(maps_of()), rtol=1e-3, atol=1e-3)
    assert len(transformed) == 3


def test_small_maps_other_types_and_autocast_are_computed_as_torch_does(transformed: list[int]) -> None:
    original, fast = pair_of()
    with torch.inference_mode():
        assert torch.equal(fast(maps_of(8)), original(maps_of(8)))
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert fast(maps_of()).dtype == torch.bfloat16
        fast.double()(maps_of().double())
    assert not transformed


def test_only_wide_plain_convolutions_are_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX2")
    wide = nn.Conv2d(128, 256, 3, padding=1)
    others = [
        nn.Conv2d(64, 128, 3, padding=1),
        nn.Conv2d(128, 128, 3, padding=1, stride=2),
        nn.Conv2d(128, 128, 3),
        nn.Conv2d(128, 128, 1),
        nn.Conv2d(128, 128, 3, padding=1, groups=2),
        nn.Conv2d(128, 128, 3, padding=2, dilation=2),
        nn.Conv2d(128, 128, 3, padding=1, padding_mode="reflect"),
        nn.Conv2d(128, 128, 3, padding="same"),
    ]
    network = nn.Sequential(nn.Sequential(wide), *others)
    names = list(network.state_dict())
    assert is_wide(wide)
    use_winograd(network)
    assert isinstance(network[0][0], WinogradConv2d)
    assert network[0][0].weight is wide.weight
    assert all(after is before for after, before in zip(network[1:], others, strict=True))
    assert list(network.state_dict()) == names


def test_nothing_is_replaced_on_a_processor_where_it_was_not_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "DEFAULT")
    network = nn.Sequential(nn.Conv2d(128, 128, 3, padding=1))
    use_winograd(network)
    assert type(network[0]) is nn.Conv2d


def test_a_copy_has_weights_of_its_own() -> None:
    _, fast = pair_of()
    with torch.no_grad():
        fast(maps_of())
        other = copy.deepcopy(fast)
        other.weight.zero_()
        assert other(maps_of()).sub(other.bias[:, None, None]).abs().max() == 0
        assert fast(maps_of()).abs().max() > 0
