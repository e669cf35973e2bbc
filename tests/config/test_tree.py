"""Oracle: the parser of the command line, which must read the words as the configuration that they came from."""

from pathlib import Path

import pytest

from linearityiqa.cli.parsing import parse
from linearityiqa.config import (
    AugmentationConfig,
    DataConfig,
    DeviceConfig,
    LossConfig,
    ModelConfig,
    OptimiserConfig,
    ReproduceConfig,
    RunConfig,
    ScoreConfig,
    TrainConfig,
    TransformConfig,
    command_words,
)

EVERYTHING = TrainConfig(
    loss=LossConfig(loss_type="scaling", p=2, alpha=(0.5, 0.25), beta=(1, 0, 0), detach=True),
    model=ModelConfig(architecture="resnet18", use_bn_end=True, P6=2),
    data=DataConfig(dataset="my photos/labels.csv", image_dir=Path("-odd"), exp_id=3, resplit=True),
    transform=TransformConfig(resize=True, resize_size_h=64, resize_size_w=96),
    augmentation=AugmentationConfig(augmentation=True, crop_size_h=32, crop_size_w=32),
    optimiser=OptimiserConfig(learning_rate=1e-5, epochs=2, label_scale="standard", ft_lr_ratio=0),
    device=DeviceConfig(device="cpu", num_workers=0),
    run=RunConfig(log_dir=Path("logs"), test_during_training=True, log_bhat=True),
)


@pytest.mark.parametrize("config", [TrainConfig(), EVERYTHING])
def test_words_of_a_training_run_parse_back(config):
    assert parse(TrainConfig, command_words(config), prog="train") == config


def test_defaults_take_no_words():
    assert command_words(TrainConfig()) == []


def test_positional_options_come_first_and_renamed_ones_have_their_names():
    config = ReproduceConfig(items=("fig1", "tab2"), from_dir=Path("published"), backbones=("resnet18", "vgg16"))
    words = command_words(config)
    assert words == ["fig1", "tab2", "--from", "published", "--backbones", "resnet18", "vgg16"]
    assert parse(ReproduceConfig, words, prog="reproduce") == config
    assert command_words(ScoreConfig(paths=("a.jpg",), json=True)) == ["a.jpg", "--json"]
