"""Options of data and cache that cannot mean anything are refused, and new ones rename no run."""

import dataclasses
import typing
from dataclasses import replace

import pytest

from linearityiqa import config
from linearityiqa.config import (
    AugmentationConfig,
    DataConfig,
    DeviceConfig,
    GradedConfig,
    LossConfig,
    OptimiserConfig,
    ScoreConfig,
    TrainConfig,
    TransformConfig,
    run_name,
)
from linearityiqa.errors import ConfigError

SEVERAL = DataConfig(dataset="KonIQ-10k", more_datasets=("CLIVE", "mine.csv"))


def test_more_databases_are_another_run_and_none_are_the_same() -> None:
    names = {run_name(TrainConfig(data=data)) for data in (DataConfig(), SEVERAL, DataConfig(more_datasets=("CLIVE",)))}
    assert len(names) == 3
    assert run_name(TrainConfig(data=replace(SEVERAL, more_datasets=()))) == run_name(TrainConfig())


def test_the_cache_does_not_rename_a_run() -> None:
    assert run_name(TrainConfig(device=DeviceConfig(cache="auto"))) == run_name(TrainConfig())


@pytest.mark.parametrize("more", [("KonIQ-10k",), ("CLIVE", "CLIVE")])
def test_a_database_is_named_once(more) -> None:
    with pytest.raises(ConfigError, match="must all differ"):
        DataConfig(dataset="KonIQ-10k", more_datasets=more)


@pytest.mark.parametrize("loss_type", ["mae", "mse"])
def test_losses_that_see_the_scale_need_standardised_labels(loss_type) -> None:
    loss = LossConfig(loss_type=loss_type)
    with pytest.raises(ConfigError, match="label_scale standard"):
        TrainConfig(loss=loss, data=SEVERAL)
    TrainConfig(loss=loss, data=SEVERAL, optimiser=OptimiserConfig(label_scale="standard"))


def test_one_loss_over_batches_of_several_databases_is_refused() -> None:
    with pytest.raises(ConfigError, match="exact_accumulation"):
        TrainConfig(data=SEVERAL, optimiser=OptimiserConfig(exact_accumulation=True, accumulation_steps=2))
    TrainConfig(data=SEVERAL, optimiser=OptimiserConfig(accumulation_steps=2))


def test_a_cache_is_named_and_not_for_scoring() -> None:
    with pytest.raises(ConfigError, match="cache must be none, auto or a folder"):
        DeviceConfig(cache="")
    assert not hasattr(ScoreConfig().device, "cache")


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda: TransformConfig(resize_mode="fit"), "pass --resize"),
        (lambda: TransformConfig(resize=True, resize_mode="squeeze"), "resize_mode must be one of"),
        (lambda: AugmentationConfig(turn_p=0.1), "pass --augmentation"),
        (lambda: AugmentationConfig(scale_min=0.5), "pass --augmentation"),
        (lambda: AugmentationConfig(versions=4), "pass --augmentation"),
        (lambda: AugmentationConfig(augmentation=True, scale_min=0), "scale_min must lie in"),
    ],
)
def test_options_that_would_be_ignored_or_mean_nothing_are_refused(make, named) -> None:
    with pytest.raises(ConfigError, match=named):
        make()


def float_options() -> list[tuple[type, str, object]]:
    """Every option of any configuration that is a number with a fraction, or several; None is not among them."""
    found = []
    for owner in vars(config).values():
        # the options of GradedConfig are not used any more
        if isinstance(owner, type) and dataclasses.is_dataclass(owner) and owner is not GradedConfig:
            for option, hint in typing.get_type_hints(owner).items():
                arms = set(typing.get_args(hint)) or {hint}
                pair = next((arm for arm in (hint, *arms) if typing.get_origin(arm) is tuple), None)
                if pair and float in typing.get_args(pair):
                    found.append((owner, option, len(typing.get_args(pair))))
                elif float in arms:
                    found.append((owner, option, 0))
    return found


@pytest.mark.parametrize("value", [float("inf"), float("-inf"), float("nan")])
@pytest.mark.parametrize(("owner", "option", "length"), float_options())
def test_no_option_is_infinite(owner, option, length, value) -> None:
    with pytest.raises(ConfigError, match=f"{option} must be finite"):
        owner(**{option: (value,) * length if length else value})


def test_the_options_that_ended_in_overflow_are_among_them() -> None:
    names = {option for _, option, _ in float_options()}
    assert {"max_megapixels", "p", "learning_rate", "alpha", "scale", "below"} <= names
