"""From the options of a model to a scorer, for every command that scores."""

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any

from linearityiqa.config import ModelConfig, ScoreConfig, ServeConfig, TransformConfig
from linearityiqa.data.loading.processes import MOST_LANES, usable_cores
from linearityiqa.hub import local_model

if TYPE_CHECKING:
    from linearityiqa.scoring import Scorer

_local_model = functools.cache(local_model)  # a command that asks twice must get one model, whatever the hub does


def chosen_model(config: ScoreConfig | ServeConfig) -> Path:
    """The model file that the options name, or else the one in the package.

    Raises:
        ModelFileError: none is named, and the installation lacks its own; or it cannot be fetched from the hub.
        ConfigError: the address of a model on the hub is malformed.
    """
    from linearityiqa.packaged import bundled_model

    return bundled_model() if config.trained_model_file is None else _local_model(config.trained_model_file)


def open_scorer(config: ScoreConfig | ServeConfig) -> "Scorer":
    """The model that the options name, ready to score.

    Raises:
        ModelFileError: the model file cannot be used.
    """
    from linearityiqa.scoring import Scorer

    return Scorer(chosen_model(config), **scorer_options(config))


def scorer_options(config: ScoreConfig | ServeConfig) -> dict[str, Any]:
    """The options of `Scorer` beside the model file."""
    transform = config.transform.effective()
    limits = config.limits if isinstance(config, ServeConfig) else config
    return {
        # what is left at its default is not asked for: the model file says what the model needs
        "model": None if config.model == ModelConfig() else config.model,
        "transform": None if transform == TransformConfig() else transform,
        "device": config.device.device,
        "batch_size": config.batch_size,
        "num_workers": config.device.num_workers,
        **_arithmetic(config),
        "max_pixels": limits.max_pixels,
    }


def _arithmetic(config: ScoreConfig | ServeConfig) -> dict[str, int | None]:
    """How many batches are computed at once, and by how many threads each.

    A batch on each core is the fastest way through many images; a single one is there soonest if all cores share it.
    """
    threads = config.device.num_threads
    if isinstance(config, ServeConfig):
        return {"num_threads": threads, "lanes": 1}
    single = len(config.words) == 1 and Path(config.words[0]).is_file()
    if config.lanes is None and (threads is not None or single):
        return {"num_threads": threads, "lanes": 1}
    cores = usable_cores()
    lanes = config.lanes or min(cores, MOST_LANES)
    return {"num_threads": threads or max(1, cores // lanes), "lanes": lanes}


def headline(scorer: "Scorer", path: Path) -> str:
    """One short line on the model and the scale of its scores."""
    from linearityiqa.packaged import is_bundled

    record = scorer.record
    labels = f" ({record.labels})" if record.labels else ""
    scale = f"{record.scale.low:g}..{record.scale.high:g}, higher is better" if record.scale else "scale not recorded"
    bundled = is_bundled(path)
    model = f"{'model in the package' if bundled else path}, trained on {record.database}{labels}: {scale}"
    return f"{model} (more: linearityiqa score --model_card)" if bundled else model
