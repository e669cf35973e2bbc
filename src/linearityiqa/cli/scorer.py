"""From the options of a model to a scorer, for every command that scores."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from linearityiqa.config import ModelConfig, ScoreConfig, ServeConfig, TransformConfig
from linearityiqa.errors import ConfigError

if TYPE_CHECKING:
    from linearityiqa.scoring import Scorer


def require_model(config: ScoreConfig | ServeConfig) -> Path:
    """The model file that the options name.

    Raises:
        ConfigError: they name none.
    """
    from linearityiqa.scoring import HOW_TO_GET_A_MODEL

    if config.trained_model_file is None:
        raise ConfigError(f"scoring needs a trained model: --model FILE. {HOW_TO_GET_A_MODEL}")
    return config.trained_model_file


def open_scorer(config: ScoreConfig | ServeConfig) -> "Scorer":
    """The model that the options name, ready to score.

    Raises:
        ConfigError: no model is named.
        ModelFileError: the model file cannot be used.
    """
    from linearityiqa.scoring import Scorer

    return Scorer(require_model(config), **scorer_options(config))


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
        "num_threads": config.device.num_threads,
        "lanes": config.lanes if isinstance(config, ScoreConfig) else 1,
        "max_pixels": limits.max_pixels,
    }


def headline(scorer: "Scorer", path: Path) -> str:
    """One line on the model, the scale of its scores, and how it sees images."""
    from linearityiqa.scoring import describe_transform

    record = scorer.record
    scale = f"scores on {record.scale}" if record.scale else "the scale of its scores is not recorded"
    images = describe_transform(record.config.transform)
    return f"{path}: {record.config.model.architecture} trained on {record.database}; {scale}; images {images}"
