"""Oracle: torch's own convolution and its gradients, in float64, where the two differ by rounding only."""

import pytest
import torch
from torch import Tensor
from torch.nn.functional import conv2d

from linearityiqa.models import winograd
from linearityiqa.models.winograd import (
    Tiling,
    convolve,
    convolve_adjoint,
    kernels_at_points,
    kernels_at_points_adjoint,
)

SIZES = [(1, 4, 4), (2, 1, 1), (3, 13, 18), (2, 9, 5)]


def maps_and_weight(count: int, height: int, width: int) -> tuple[Tensor, Tensor]:
    torch.manual_seed(0)
    maps = torch.randn(count, height, width, 8, dtype=torch.float64, requires_grad=True)
    return maps, torch.randn(5, 8, 3, 3, dtype=torch.float64, requires_grad=True)


def expected_of(maps: Tensor, weight: Tensor) -> Tensor:
    return conv2d(maps.permute(0, 3, 1, 2), weight, padding=1).permute(0, 2, 3, 1)


@pytest.fixture(params=[1, 2_000, 10**9], ids=["a row a block", "some rows", "one block"])
def _block(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(winograd, "BLOCK_VALUES", request.param)


@pytest.mark.usefixtures("_block")
@pytest.mark.parametrize("size", SIZES)
def test_it_is_the_convolution(size: tuple[int, int, int]) -> None:
    maps, weight = maps_and_weight(*size)
    with torch.no_grad():
        found = convolve(maps, kernels_at_points(weight))
    torch.testing.assert_close(found, expected_of(maps, weight).detach(), rtol=0, atol=1e-11)


@pytest.mark.usefixtures("_block")
@pytest.mark.parametrize("size", SIZES)
def test_the_gradients_are_those_of_the_convolution(size: tuple[int, int, int]) -> None:
    maps, weight = maps_and_weight(*size)
    result = expected_of(maps, weight)
    gradient = torch.randn_like(result)
    expected = torch.autograd.grad(result, (maps, weight), gradient)
    with torch.no_grad():
        to_maps, to_kernels = convolve_adjoint(gradient, maps, kernels_at_points(weight))
        assert to_kernels is not None
        to_weight = kernels_at_points_adjoint(to_kernels)
    torch.testing.assert_close(to_maps, expected[0], rtol=0, atol=1e-11)
    torch.testing.assert_close(to_weight, expected[1], rtol=0, atol=1e-10)


def test_a_gradient_that_is_not_needed_is_not_computed() -> None:
    maps, weight = maps_and_weight(1, 8, 8)
    with torch.no_grad():
        arguments = expected_of(maps, weight), maps, kernels_at_points(weight)
        assert convolve_adjoint(*arguments, of_maps=False)[0] is None
        assert convolve_adjoint(*arguments, of_kernels=False)[1] is None


def test_float32_is_as_near_as_rounding_allows() -> None:
    """The error of a sum of 2,304 products grows by the entries of the matrices, which are at most 8."""
    torch.manual_seed(0)
    maps, weight = torch.randn(1, 32, 40, 256), torch.randn(256, 256, 3, 3) / 48
    exact = expected_of(maps.double(), weight.double())
    error = (convolve(maps, kernels_at_points(weight)) - exact).abs().max()
    assert error < 3e-5 * exact.abs().max()


def test_blocks_cover_every_tile_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for values in (1, 5_000, 50_000, 10**9):
        monkeypatch.setattr(winograd, "BLOCK_VALUES", values)
        tiling = Tiling(3, 21, 30, 16)
        covered = torch.zeros(3, tiling.rows)
        for block in tiling.blocks():
            covered[block.images, block.rows] += 1
        assert (covered == 1).all()
