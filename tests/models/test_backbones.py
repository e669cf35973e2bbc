"""Backbones by name, and their initial weights from every kind of file.

Trunks against the torchvision networks they are taken from, and taps against the paper's table.
"""

from urllib.error import URLError

import pytest
import torch
import torchvision
from safetensors.torch import save_file

from linearityiqa.config import ModelConfig
from linearityiqa.errors import ConfigError, ModelFileError
from linearityiqa.models import LinearityIQA, check_architecture, known_architectures
from linearityiqa.models.backbones import Trunk, build_backbone


@pytest.fixture(scope="module")
def published() -> dict[str, torch.Tensor]:
    """State dict of a small torchvision network with its classifier."""
    torch.manual_seed(5)
    return torchvision.models.squeezenet1_1().state_dict()


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """An empty cache of torch.hub, without network."""

    def refuse(*_: object) -> None:
        raise URLError("no route to host")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "_hub_dir", None)
    monkeypatch.setattr(torch.hub, "download_url_to_file", refuse)
    return tmp_path / "hub" / "checkpoints"


def equals_published(backbone: Trunk, published: dict[str, torch.Tensor]) -> bool:
    names = backbone.published_names()
    return all(torch.equal(value, published[names[key]]) for key, value in backbone.state_dict().items())


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("resnet19", "did you mean .*resnet18"),
        ("ResNet50", "did you mean resnet50"),
        ("nonsense", "known are alexnet, "),
        ("vit_b_16", "is a transformer.* use one of alexnet, "),
        ("swin_t", "is a transformer"),
        ("maxvit_t", "is a transformer"),
    ],
)
def test_unknown_architectures_are_refused_with_names_that_work(name, hint):
    with pytest.raises(ConfigError, match=hint):
        check_architecture(name)
    with pytest.raises(ConfigError, match=hint):
        LinearityIQA(ModelConfig(architecture=name))


def test_known_architectures_are_torchvisions_convolutional_ones():
    known = known_architectures()
    assert {"resnet18", "resnext101_32x8d", "alexnet", "vgg16", "mobilenet_v2", "densenet121"} <= set(known)
    assert not {"vit_b_16", "swin_t", "maxvit_t"} & set(known)
    assert list(known) == sorted(known)


@pytest.mark.parametrize("shape", ["whole", "no classifier", "features only", "wrapped", "parallel", "safetensors"])
def test_weights_from_a_file_are_the_published_ones(shape, published, tmp_path):
    path = tmp_path / "weights.pth"
    features = {name: value for name, value in published.items() if name.startswith("features.")}
    if shape == "safetensors":
        path = tmp_path / "weights.safetensors"
        save_file(published, path)
    else:
        content = {
            "whole": published,
            "no classifier": features,
            "features only": {name.removeprefix("features."): value for name, value in features.items()},
            "wrapped": {"state_dict": published, "epoch": 7},
            "parallel": {f"module.{name}": value for name, value in published.items()},
        }
        torch.save(content[shape], path)
    assert equals_published(build_backbone("squeezenet1_1", str(path)), published)


def test_weights_from_a_model_of_this_package(published, tmp_path):
    network = LinearityIQA(ModelConfig(architecture="squeezenet1_1"))
    save_file(dict(network.state_dict()), tmp_path / "model.safetensors")
    backbone = build_backbone("squeezenet1_1", str(tmp_path / "model.safetensors"))
    assert all(torch.equal(value, backbone.state_dict()[key]) for key, value in network.backbone.state_dict().items())


def test_old_spelling_of_densenet_files(tmp_path):
    torch.manual_seed(0)
    published = torchvision.models.DenseNet(growth_rate=32, block_config=(6, 12, 24, 16)).state_dict()
    old = {
        name.replace("norm1.", "norm.1.").replace("conv2.", "conv.2.") if "denselayer" in name else name: value
        for name, value in published.items()
        if not name.endswith("num_batches_tracked")
    }
    torch.save(old, tmp_path / "densenet121.pth")
    backbone = build_backbone("densenet121", str(tmp_path / "densenet121.pth"))
    assert equals_published(backbone, published)


def test_weights_of_another_architecture_are_refused(published, tmp_path):
    path = tmp_path / "squeezenet.pth"
    torch.save(published, path)
    with pytest.raises(ModelFileError, match=r"does not hold weights of resnet18: 1\d\d tensors are missing .*-arch"):
        build_backbone("resnet18", str(path))
    with pytest.raises(ModelFileError, match="there is no model file"):
        build_backbone("resnet18", str(tmp_path / "absent.pth"))


def test_imagenet_weights_without_network_say_what_to_put_where(hub):
    with pytest.raises(ModelFileError, match=r"squeezenet1_1-\w{8}\.pth from https://.* --weights none") as caught:
        build_backbone("squeezenet1_1", "imagenet")
    assert str(hub) in str(caught.value)
    assert isinstance(caught.value.__cause__, URLError)


def test_imagenet_weights_from_the_cache(hub, published):
    hub.mkdir(parents=True)
    url = torchvision.models.SqueezeNet1_1_Weights.IMAGENET1K_V1.url
    torch.save(published, hub / url.rpartition("/")[2])
    assert equals_published(build_backbone("squeezenet1_1", "imagenet"), published)


def test_networks_without_first_imagenet_weights_say_so(hub, monkeypatch):
    weights = torchvision.models.RegNet_Y_128GF_Weights
    assert "IMAGENET1K_V1" not in weights.__members__
    with pytest.raises(ConfigError, match="no ImageNet weights"):
        build_backbone("regnet_y_128gf", "imagenet")


def test_real_weights_of_mobilenet_v2(real_data):
    """Oracle: torchvision's own loading of the same file, on the features that it classifies."""
    path = real_data / "weights" / "mobilenet_v2_imagenet.pth"
    network = torchvision.models.mobilenet_v2()
    network.load_state_dict(torch.load(path, weights_only=True))
    images = torch.randn(2, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    iqa = LinearityIQA(ModelConfig(architecture="mobilenet_v2"), weights=str(path)).eval()
    with torch.no_grad():
        torch.testing.assert_close(iqa.backbone(images).stage4, network.eval().features(images))


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
