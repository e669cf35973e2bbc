"""Oracle: the same network before its batch normalisation is folded away."""

import pytest
import torch

from linearityiqa.config import ModelConfig
from linearityiqa.models import LinearityIQA
from linearityiqa.models.device import fuse_batch_norm


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
