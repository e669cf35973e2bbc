"""Pyramid pooling against torch's own pooling layers, and its limits against the grids those layers make."""

import pytest
import torch
import torch.nn.functional as F

from linearityiqa.errors import ImageTooSmallError
from linearityiqa.models.heads import pooled_features, spatial_pyramid_pool

METHODS = ("avg", "max", "min", "std", "maxmin", "mean-std")


@pytest.fixture
def maps() -> torch.Tensor:
    return torch.randn(2, 5, 13, 17, generator=torch.Generator().manual_seed(3), dtype=torch.float64)


def torch_pooling(maps: torch.Tensor, level: int, method: str) -> torch.Tensor:
    """One level by torch's pooling layers and the textbook formula of the deviation."""
    window = (maps.shape[-2] // level, maps.shape[-1] // level)
    average = F.avg_pool2d(maps, window)
    deviation = (F.avg_pool2d(maps**2, window) - average**2).sqrt()
    highest, lowest = F.max_pool2d(maps, window), -F.max_pool2d(-maps, window)
    statistics = {
        "avg": [average],
        "max": [highest],
        "min": [lowest],
        "std": [deviation],
        "maxmin": [highest, lowest],
        "mean-std": [average, deviation],
    }
    return torch.cat(statistics[method], dim=1).flatten(1)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("levels", [1, 2, 3])
def test_equals_torch_pooling_layers(maps, levels, method):
    expected = torch.cat([torch_pooling(maps, level, method) for level in range(1, levels + 1)], dim=1)
    pooled = spatial_pyramid_pool(maps, levels, method)
    torch.testing.assert_close(pooled, expected)
    assert pooled.shape[1] == pooled_features(5, levels, method)


@pytest.mark.parametrize("method", METHODS)
def test_gradient_is_finite_on_constant_maps_and_equals_finite_differences_elsewhere(maps, method):
    constant = torch.full((1, 2, 4, 4), 0.7, requires_grad=True)
    spatial_pyramid_pool(constant, 2, method).sum().backward()
    assert constant.grad.isfinite().all()
    small = maps[:1, :2, :4, :5].clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: spatial_pyramid_pool(x, 2, method), (small,))


def test_deviation_of_constant_maps_is_zero():
    assert torch.equal(spatial_pyramid_pool(torch.full((1, 3, 4, 4), 0.5), 1, "std"), torch.zeros(1, 3))


def test_too_small_maps_are_refused_with_the_smallest_that_work():
    with pytest.raises(ImageTooSmallError, match=r"3 pyramid levels .* 5 x 8; .* 6 x 9\."):
        spatial_pyramid_pool(torch.zeros(1, 1, 5, 8), 3, "avg")
