"""Backbones by name, and their initial weights from every kind of file."""

from urllib.error import URLError

import pytest
import torch
import torchvision
from safetensors.torch import save_file

from linearityiqa.config import ModelConfig
from linearityiqa.errors import ConfigError, ModelFileError
from linearityiqa.models import LinearityIQA, check_architecture, known_architectures
from linearityiqa.models.backbones import build_backbone
from linearityiqa.models.trunk import Trunk


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
