"""The authors' checkpoints: names both ways, mapping, damage, and published scores where the files are present."""

from pathlib import Path

import numpy as np
import pytest
import torch

from linearityiqa.config import ModelConfig, TransformConfig
from linearityiqa.errors import ConfigError, ModelFileError
from linearityiqa.mapping import LinearMapping
from linearityiqa.models import LinearityIQA, load_model, open_model
from linearityiqa.models.authors import authors_names, from_authors, to_authors
from linearityiqa.quality import QualityScores

pytestmark = pytest.mark.slow

K, B = [10.0, 1.5, -3.0], [50.0, 2.0, 0.1]  # fused, stage 3, stage 4
MAPPING = QualityScores(LinearMapping(1.5, 2.0), LinearMapping(-3.0, 0.1), LinearMapping(10.0, 50.0))


@pytest.fixture
def checkpoint(formula_network):
    """Content of an authors' checkpoint of AlexNet, with what their program puts beside the weights."""
    network = formula_network()
    state = to_authors(network.state_dict(), network)
    optimizer = {"state": {0: {"step": 3, "exp_avg": torch.zeros(2)}}, "param_groups": [{"lr": 1e-4, "params": [0]}]}
    return {"model": state, "optimizer": optimizer, "amp": {"loss_scaler0": {"loss_scale": 65536.0}}, "k": K, "b": B}


def saved(content: object, path: Path, *, zipped: bool = True) -> Path:
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    return path


@pytest.mark.parametrize(
    ("architecture", "use_bn_end"),
    [(name, False) for name in ("resnet18", "resnet34", "resnet50", "resnext101_32x8d", "alexnet", "vgg16")]
    + [("resnet18", True)],
)
def test_names_are_a_bijection(architecture, use_bn_end):
    with torch.device("meta"):
        network = LinearityIQA(ModelConfig(architecture=architecture, use_bn_end=use_bn_end))
    names = authors_names(network)
    state = network.state_dict()
    assert list(names) == list(state)
    assert len(set(names.values())) == len(names)
    theirs = to_authors(state, network)
    assert from_authors(theirs, network).keys() == state.keys()
    assert all(from_authors(theirs, network)[key] is state[key] for key in state)


def test_names_are_as_the_authors_write_them():
    with torch.device("meta"):
        plain = authors_names(LinearityIQA(ModelConfig(architecture="resnet18")))
        ended = authors_names(LinearityIQA(ModelConfig(architecture="resnet18", use_bn_end=True)))
    assert plain["backbone.conv1.weight"] == "features.0.weight"
    assert plain["backbone.layer3.1.bn2.running_var"] == "features.6.1.bn2.running_var"
    assert plain["stage3.reduce.0.weight"] == "dr6.0.weight"
    assert plain["stage4.reduce.5.running_mean"] == "dr7.5.running_mean"
    assert plain["stage4.score.linear.bias"] == "regr7.bias"
    assert plain["fused.linear.weight"] == "regression.weight"
    assert ended["fused.linear.weight"] == "regression.0.weight"
    assert ended["stage3.score.norm.running_var"] == "regr6.1.running_var"


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("parallel", [True, False])
def test_checkpoint_gives_network_mapping_and_scale(checkpoint, parallel, zipped, tmp_path, formula_network):
    """Oracle: the network filled directly. Both of torch's file layouts; with and without DataParallel's prefix."""
    if parallel:
        checkpoint["model"] = {f"module.{name}": value for name, value in checkpoint["model"].items()}
    path = saved(checkpoint, tmp_path / "p1q2.pth", zipped=zipped)
    transform = TransformConfig(resize=True)
    opened = open_model(path, model=ModelConfig(architecture="alexnet"), transform=transform)
    expected = formula_network().state_dict()
    assert all(torch.equal(value, expected[key]) for key, value in opened.network.state_dict().items())
    assert not opened.network.training
    record = opened.record
    assert (record.mapping, record.database, record.epoch) == (MAPPING, "KonIQ-10k", 0)
    assert (record.scale.low, record.scale.high) == (1, 100)
    assert record.config.transform == transform
    assert record.config.model == ModelConfig(architecture="alexnet")


@pytest.mark.parametrize(
    "form",
    [
        np.asarray,
        torch.tensor,
        lambda values: [np.float64(value) for value in values],
        lambda values: [np.array([value]) for value in values],
        lambda values: [torch.tensor([[value]]) for value in values],
        tuple,
    ],
)
def test_mapping_in_every_form_that_was_ever_saved(checkpoint, form, tmp_path):
    path = saved(checkpoint | {"k": form(K), "b": form(B)}, tmp_path / "m.pth")
    mapping = open_model(path, model=ModelConfig(architecture="alexnet")).record.mapping
    np.testing.assert_allclose([(line.slope, line.intercept) for line in mapping], [(1.5, 2), (-3, 0.1), (10, 50)])


@pytest.mark.parametrize(
    "k", [[1.0, 2.0], [1.0, 2.0, float("nan")], ["1", 2.0, "x"], 3.0, None, [[1.0, 2.0], 3.0, 4.0]]
)
def test_mapping_that_is_not_three_numbers_is_refused(checkpoint, k, tmp_path):
    path = saved(checkpoint | {"k": k}, tmp_path / "m.pth")
    with pytest.raises(ModelFileError, match="entry 'k' must be three finite numbers"):
        open_model(path, model=ModelConfig(architecture="alexnet"))


def test_checkpoint_without_mapping_scores_on_no_scale(checkpoint, tmp_path, caplog):
    opened = open_model(saved(checkpoint["model"], tmp_path / "m.pth"), model=ModelConfig(architecture="alexnet"))
    assert opened.record.mapping == QualityScores(LinearMapping(), LinearMapping(), LinearMapping())
    assert opened.record.scale is None
    assert "no mapping to MOS" in caplog.text


@pytest.mark.parametrize(
    ("options", "remedy"),
    [
        ({"architecture": "resnet18"}, r"missing \(features\..*-arch alexnet\.$"),
        ({}, "Its backbone is alexnet: pass -arch alexnet"),
        ({"architecture": "alexnet", "use_bn_end": True}, "Its backbone fits: pass the .*--use_bn_end"),
        (
            {"architecture": "alexnet", "P6": 2},
            r"dr6\.0\.weight: 1024 x 256 in the file, 1024 x 1280 in the network.*--P6",
        ),
    ],
)
def test_other_architectures_are_refused_with_the_right_one(checkpoint, options, remedy, tmp_path):
    path = saved(checkpoint, tmp_path / "m.pth")
    with pytest.raises(ModelFileError, match=remedy):
        open_model(path, model=ModelConfig(**options))


def test_a_backbone_alone_is_no_quality_model(tmp_path):
    path = saved({"features.0.weight": torch.zeros(1)}, tmp_path / "m.pth")
    with pytest.raises(ModelFileError, match=r"holds no quality model.*--weights"):
        open_model(path)


def test_load_model_takes_fields_of_the_configuration(checkpoint, tmp_path, formula_network):
    path = saved(checkpoint, tmp_path / "m.pth")
    images = torch.zeros(1, 3, 80, 80)
    torch.testing.assert_close(
        torch.cat(load_model(path, architecture="alexnet")(images)), torch.cat(formula_network()(images))
    )
    with pytest.raises(ConfigError, match="cannot describe a model by arch"):
        load_model(path, arch="alexnet")
