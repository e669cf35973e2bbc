"""Run names depend on the options that affect the result only; recipes are what the packaged model records."""

from dataclasses import replace
from pathlib import Path

import pytest

from linearityiqa.config import (
    RECIPES,
    AugmentationConfig,
    DeviceConfig,
    LossConfig,
    OptimiserConfig,
    RunConfig,
    TrainConfig,
    TransformConfig,
    from_dict,
    run_folder,
    run_name,
    to_dict,
    with_recipe,
)
from linearityiqa.errors import ConfigError
from linearityiqa.hub import bundled_weights
from linearityiqa.models import open_model

BASE = TrainConfig()


@pytest.mark.parametrize(
    "other",
    [
        replace(
            BASE, run=RunConfig(test_during_training=True, log_bhat=True, debug=True, pbar=True, log_dir=Path("x"))
        ),
        replace(BASE, device=DeviceConfig(device="cpu", num_workers=3)),
        replace(BASE, transform=TransformConfig(resize_size_h=100)),  # not used without --resize
        replace(BASE, augmentation=AugmentationConfig(angle=9)),
        replace(BASE, loss=LossConfig(gamma=0.5)),
    ],
)
def test_options_that_change_no_result_change_no_name(other) -> None:
    assert run_name(other) == run_name(BASE)


@pytest.mark.parametrize(
    "other",
    [
        replace(BASE, loss=LossConfig(p=2)),
        replace(BASE, loss=LossConfig(detach=True)),
        replace(BASE, transform=TransformConfig(resize=True)),
        replace(BASE, optimiser=OptimiserConfig(seed=1)),
        replace(BASE, optimiser=OptimiserConfig(label_scale="standard")),
        replace(BASE, augmentation=AugmentationConfig(augmentation=True)),
    ],
)
def test_options_that_change_the_result_change_the_name(other) -> None:
    assert run_name(other) != run_name(BASE)


def test_parameters_that_mse_ignores_change_no_name() -> None:
    plain, others = LossConfig(loss_type="mse"), LossConfig(loss_type="mse", p=2, q=1, alpha=(0, 1), detach=True)
    assert run_name(replace(BASE, loss=others)) == run_name(replace(BASE, loss=plain))


def test_debugging_run_has_the_same_name_in_another_folder() -> None:
    debugging = run_folder(replace(BASE, run=RunConfig(debug=True)))
    assert debugging == Path("runs/debug") / run_folder(BASE).name


def test_a_path_as_database_gives_a_plain_name() -> None:
    config = replace(BASE, data=replace(BASE.data, dataset="../my photos/labels (1).csv"))
    assert set(run_name(config)) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.+-")


def test_tree_survives_plain_values() -> None:
    config = replace(BASE, loss=LossConfig(alpha=(1, 0.1)), run=RunConfig(output=Path("here")))
    assert from_dict(TrainConfig, to_dict(config)) == config


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"loss": {"p": "one"}}, "loss: p"),
        ({"loss": {"power": 1}}, "power"),
        ({"loss": 1}, "loss must be a table"),
        ({"loss": {"alpha": [1]}}, "alpha must be a list of 2"),
        ({"model": {"P6": True}}, "P6"),
        ({"model": {"pool": "sum"}}, "pool must be one of"),
        ({"optimiser": {"epochs": 0}}, "epochs must be >= 1"),
    ],
)
def test_values_that_do_not_fit_are_refused_by_name(values, named) -> None:
    with pytest.raises(ConfigError, match=named):
        from_dict(TrainConfig, values, "file.toml")


def test_modern_is_what_the_model_in_the_package_was_trained_with() -> None:
    trained, modern = open_model(bundled_weights()).record.config, with_recipe("modern")
    assert trained.model == modern.model
    assert trained.transform == modern.transform
    assert trained.augmentation == modern.augmentation
    own = {name: getattr(trained.optimiser, name) for name in ("seed", "init", "epochs", "warmup_epochs")}
    assert trained.optimiser == replace(modern.optimiser, **own)


def test_a_recipe_leaves_the_other_options_of_its_base() -> None:
    base = TrainConfig(run=RunConfig(json=True))
    assert with_recipe("modern", base).run.json
    assert set(RECIPES) == {"paper", "modern"}
