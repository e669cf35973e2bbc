"""Trunks against the torchvision networks they are taken from, and taps against the paper's table."""

import pytest
import torch
import torchvision

from linearityiqa.models.backbones import known_architectures
from linearityiqa.models.trunk import Trunk

PAPER_TAPS = {
    "resnet18": ("layer3", "layer4", (256, 512)),
    "resnet34": ("layer3", "layer4", (256, 512)),
    "resnet50": ("layer3", "layer4", (1024, 2048)),
    "resnext101_32x8d": ("layer3", "layer4", (1024, 2048)),
    "alexnet": ("9", "12", (256, 256)),
    "vgg16": ("23", "30", (512, 512)),
    "mobilenet_v2": ("13", "18", (96, 1280)),
}
ONE_OF_EACH_FAMILY = (  # AlexNet and VGG are their `features`, and their classifiers take seconds to fill
    "convnext_tiny",
    "densenet121",
    "efficientnet_b0",
    "googlenet",
    "inception_v3",
    "mnasnet0_5",
    "mobilenet_v2",
    "regnet_x_400mf",
    "resnet18",
    "shufflenet_v2_x0_5",
    "squeezenet1_1",
)


def on_meta(architecture: str) -> Trunk:
    with torch.device("meta"):
        return Trunk(architecture).eval()


def filled_torchvision_network(architecture: str) -> torch.nn.Module:
    """The whole network, with quickly drawn weights that keep the scale of what passes through."""
    extra = {"init_weights": False, "transform_input": True} if architecture in ("googlenet", "inception_v3") else {}
    # a RegNet cannot be built without numbers
    device = "cpu" if architecture.startswith("regnet") else "meta"
    with torch.device(device):
        network = torchvision.models.get_model(architecture, **extra)
    network.to_empty(device="cpu")
    generator = torch.Generator().manual_seed(0)
    for name, value in network.state_dict().items():
        if value.ndim >= 2:
            torch.nn.init.kaiming_uniform_(value, nonlinearity="relu", generator=generator)
        else:
            value.fill_(1 if name.endswith(("weight", "var")) else 0)
    return network.eval()


@pytest.mark.parametrize("architecture", PAPER_TAPS)
def test_taps_are_the_papers(architecture):
    trunk = on_meta(architecture)
    names = [name for name, _ in trunk.named_children()]
    assert (names[trunk.tap], names[-1], trunk.channels) == PAPER_TAPS[architecture]


@pytest.mark.parametrize("architecture", ONE_OF_EACH_FAMILY)
def test_end_is_what_the_torchvision_network_classifies(architecture):
    """Oracle: the input of the network's own classifier is the average of the trunk's last maps.

    Stage 3 is compared with the modules up to the tap run alone, since several trunks hold in-place activations.
    """
    network = filled_torchvision_network(architecture)
    trunk = on_meta(architecture)
    # opening a file fills an empty trunk from its state dict: whatever stood elsewhere would be lost
    assert {name for name, _ in trunk.named_buffers()} <= set(trunk.state_dict())
    published = network.state_dict()
    state = {key: published[name] for key, name in trunk.published_names().items()}
    trunk.to_empty(device="cpu").load_state_dict(state)
    seen = []
    head = network.fc if hasattr(network, "fc") else network.classifier
    head.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    images = torch.randn(1, 3, 96, 128, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        network(images)
        maps = trunk(images)
        stage3 = torch.nn.Sequential(*list(trunk)[: trunk.tap + 1])(images)
    (classified,) = seen
    classified = classified.flatten(2).mean(-1) if classified.ndim == 4 else classified
    torch.testing.assert_close(maps.stage4.mean((-2, -1)), classified, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(maps.stage3, stage3)
    assert (maps.stage3.shape[1], maps.stage4.shape[1]) == trunk.channels


def test_every_family_of_torchvision_is_covered():
    """A family that torchvision adds has to be looked at before it is offered."""
    prefixes = ("convnext", "densenet", "efficientnet", "mnasnet", "mobilenet", "regnet", "res", "shufflenet")
    prefixes += ("squeezenet", "vgg", "wide_resnet", "alexnet", "googlenet", "inception")
    assert all(name.startswith(prefixes) for name in known_architectures())
    assert len(known_architectures()) >= 60
