"""A run that starts from a trained quality model (`--init`) instead of weights of a backbone."""

from dataclasses import replace
from pathlib import Path

from linearityiqa.config import ModelConfig, TrainConfig, TransformConfig
from linearityiqa.data.databases.table import Database
from linearityiqa.errors import ConfigError
from linearityiqa.mapping import LinearMapping
from linearityiqa.models import LinearityIQA, TrainedModel, open_model
from linearityiqa.packaged import BUNDLED, bundled_weights
from linearityiqa.quality import QualityScores
from linearityiqa.training.optimisation import LabelScaling


def described_by_initial_model(config: TrainConfig) -> TrainConfig:
    """The configuration with the network and the transform of the model that the run starts from.

    Network and transform that options describe are kept, so a transform may differ from the model's.

    Raises:
        ModelFileError: the model file cannot be used.
        ConfigError: the options describe another network than the file holds.
    """
    if config.optimiser.init is None:
        return config
    own = _open(config).record.config
    if config.model not in (ModelConfig(), own.model):
        raise ConfigError(
            f"--init {config.optimiser.init} holds a model of {own.model.architecture}, which the options on the "
            "network do not describe. Leave them out: the file has its own."
        )
    transform = own.transform if config.transform == TransformConfig() else config.transform
    return replace(config, model=own.model, transform=transform)


def start_from_model(network: LinearityIQA, config: TrainConfig, database: Database) -> None:
    """Give a network the weights of the model that the run starts from.

    A loss that compares scores as they are (mae, mse) also gets scores on the scale of its labels from the start: the
    ends of the model's scale become those of the database's. The other losses do not see the scale.

    Args:
        network: of the same description; changed in place.
        config: of the run.
        database: what the run is validated on.

    Raises:
        ModelFileError: the model file cannot be used.
    """
    trained = _open(config)
    network.load_state_dict(trained.network.state_dict())
    network.normalisation = trained.network.normalisation
    if config.loss.loss_type in ("mae", "mse"):
        labels = LabelScaling.of(config.optimiser, database.split("train").mos)
        scale = database.scale
        own = trained.record.scale or scale
        between = LinearMapping.fit([own.low, own.high], [scale.low, scale.high])
        seen = LinearMapping(1 / labels.deviation, -labels.mean / labels.deviation)
        heads = QualityScores(network.stage3.score, network.stage4.score, network.fused)
        for head, line in zip(heads, trained.record.mapping, strict=True):
            head.map_by(line.then(between).then(seen))


def _open(config: TrainConfig) -> TrainedModel:
    name = config.optimiser.init
    return open_model(bundled_weights() if name == BUNDLED else Path(str(name)))
