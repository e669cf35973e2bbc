"""The closed form of feature-map sizes against what the trunks make of images of every size."""

import pytest
import torch

from linearityiqa.models.backbones import Trunk
from linearityiqa.models.geometry import measure, shapes_only


@pytest.mark.parametrize("architecture", ["alexnet", "vgg16", "squeezenet1_0", "googlenet"])
def test_sizes_equal_the_trunks_own(architecture):
    with torch.device("meta"):
        trunk = Trunk(architecture).eval()
    taps = measure(trunk)
    for pixels in [*range(1, 66, 4), *range(62, 66), 498, 664]:
        image = torch.empty(1, 3, pixels, pixels, device="meta")
        try:
            sizes = tuple(maps.shape[-1] for maps in shapes_only(trunk, image))
        except RuntimeError:
            sizes = None
        predicted = tuple(tap.size(pixels) for tap in taps)
        assert sizes == (predicted if min(predicted) >= 1 else None), pixels


def test_measuring_leaves_the_mode_of_every_part():
    trunk = Trunk("shufflenet_v2_x0_5")
    trunk[0].eval()
    before = [module.training for module in trunk.modules()]
    statistics = {name: value.clone() for name, value in trunk.named_buffers()}
    measure(trunk)
    assert [module.training for module in trunk.modules()] == before
    assert all(torch.equal(value, statistics[name]) for name, value in trunk.named_buffers())
