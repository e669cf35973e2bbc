"""Oracle: maps that are alike everywhere have one answer; a network taught on the spot finds a blurred region."""

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from linearityiqa.config import ModelConfig
from linearityiqa.models import LinearityIQA
from linearityiqa.models.geometry import FeatureMaps
from linearityiqa.models.network import local_scores, scores_and_map


@pytest.mark.parametrize("pool", ["avg", "maxmin", "mean-std"])
@pytest.mark.parametrize("levels", [(1, 1), (2, 3)])
def test_where_all_is_alike_every_cell_has_the_score_of_the_whole(formula_network, pool, levels) -> None:
    network = formula_network(pool=pool, P6=levels[0], P7=levels[1], use_bn_end=True)
    torch.manual_seed(1)
    maps = FeatureMaps(torch.randn(2, 256, 1, 1).expand(2, 256, 12, 18), torch.randn(2, 256, 1, 1).expand(2, 256, 6, 9))
    with torch.no_grad():
        fused = network.score(network.pool_maps(maps, (1, 1))).fused
        cells = local_scores(network, maps)
    assert cells.shape == (2, 6, 9)
    # a deviation that is 0 up to rounding is its root
    np.testing.assert_allclose(cells, fused[:, None, None].expand_as(cells), atol=2e-3 if "std" in pool else 1e-5)


def test_a_mirror_image_has_the_mirrored_map(formula_network) -> None:
    network = formula_network(pool="mean-std")
    torch.manual_seed(2)
    maps = FeatureMaps(torch.randn(1, 256, 12, 18), torch.randn(1, 256, 6, 9))
    with torch.no_grad():
        one, other = local_scores(network, maps), local_scores(network, FeatureMaps(*(m.flip(-1) for m in maps)))
    np.testing.assert_allclose(other.flip(-1), one, atol=1e-5)
    assert one.std() > 1e-3


def test_the_scores_are_those_of_the_network(formula_network) -> None:
    network = formula_network(architecture="mobilenet_v2", P6=2)
    torch.manual_seed(3)
    images = torch.randn(2, 3, 96, 160)
    with torch.no_grad():
        scores, quality_map = scores_and_map(network, images)
        assert all(map(torch.equal, scores, network(images)))
    assert quality_map.shape == (2, 3, 5)


def texture(rng: np.random.Generator, count: int, size: int) -> Tensor:
    """Coloured noise with many fine details."""
    frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)) + 1 / size
    pixels = np.fft.irfft2(np.fft.rfft2(rng.standard_normal((count, 3, size, size))) / frequency, s=(size, size))
    return torch.from_numpy(pixels / pixels.std()).float()


def blurred(images: Tensor) -> Tensor:
    return functional.avg_pool2d(images, 7, stride=1, padding=3, count_include_pad=False)


def half_blurred(rng: np.random.Generator, count: int) -> Tensor:
    """Textures of 64 x 64, of which the first half is blurred."""
    images = texture(rng, count, 64)
    return torch.cat([blurred(images[: count // 2]), images[count // 2 :]])


def taught_network(rng: np.random.Generator) -> LinearityIQA:
    """A network that was shown which textures are blurred."""
    network = LinearityIQA(ModelConfig(architecture="shufflenet_v2_x0_5"))
    optimiser = torch.optim.Adam(network.parameters(), 1e-3)
    for _ in range(24):
        loss = sum(functional.mse_loss(head, torch.arange(8) // 4 * 1.0) for head in network(half_blurred(rng, 8)))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    for module in network.modules():  # so few steps leave the statistics of evaluation behind
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.momentum = 1.0
    with torch.no_grad():
        network(half_blurred(rng, 32))
    return network.eval()


def test_the_map_points_at_a_blurred_region() -> None:
    torch.manual_seed(4)
    rng = np.random.default_rng(4)
    network = taught_network(rng)
    images = texture(rng, 4, 256)
    corners = [(slice(row, row + 128), slice(column, column + 128)) for row in (0, 128) for column in (0, 128)]
    for image, corner in zip(images, corners, strict=True):
        image[:, *corner] = blurred(image[None])[0][:, *corner]
    with torch.no_grad():
        _, maps = scores_and_map(network, images)
    quarters = functional.avg_pool2d(maps[:, None], 4).flatten(1)
    assert quarters.shape == (4, 4)
    assert quarters.argmin(dim=1).tolist() == [0, 1, 2, 3]
