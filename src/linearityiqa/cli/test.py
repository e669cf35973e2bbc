"""`linearityiqa test`, the paper's test_dataset.py: find the models that the options name, and test them."""

from collections import Counter
from pathlib import Path

from linearityiqa.cli.models import chosen_model
from linearityiqa.cli.results import NamedModel, test_models
from linearityiqa.config import DataConfig, RunConfig, TestConfig, TrainConfig, run_folder, runfiles
from linearityiqa.errors import ConfigError, ModelFileError
from linearityiqa.files import named_path


def test(config: TestConfig) -> int:
    """Test every model file on every database, and print the results."""
    return test_models(config, models_of(config))


def models_of(config: TestConfig) -> list[NamedModel]:
    """Find the models to test: FILE, NAME=FILE, hf:// or bundled, or the run that the training options describe."""
    models = []
    for word in config.trained_model_file or (trained_model_of(config),):
        name, path = named_path(word)
        chosen = chosen_model(path)
        home = config.log_dir / chosen.name if chosen.name else path.parent
        own = path.parent.name if path.stem == "model" else ""  # every run's model file has the same name
        models.append(NamedModel(name or chosen.name or own or path.stem, chosen.file, home))
    counts = Counter(model.name for model in models)
    models = [model if counts[model.name] == 1 else model._replace(name=str(model.file)) for model in models]
    twice = next((name for name, count in Counter(model.name for model in models).items() if count > 1), None)
    if twice is None and config.output is not None:
        twice = next((name for name, count in counts.items() if count > 1), None)
    if twice is not None:
        raise ConfigError(f"two models are called {twice}: give each a different name, as in --model NAME=FILE")
    return models


def trained_model_of(config: TestConfig) -> Path:
    """Find the model file of the run that was trained with these options.

    Options that the paper's test_dataset.py lacks take main.py's defaults, as there.
    """
    same_database = config.trained_on == config.data.dataset
    options = TrainConfig(
        loss=config.loss,
        model=config.model,
        data=DataConfig(
            dataset=config.trained_on,
            more_datasets=config.data.more_datasets,
            exp_id=config.data.exp_id if same_database else 0,
        ),
        transform=config.transform,
        augmentation=config.augmentation,
        optimiser=config.optimiser,
        run=RunConfig(log_dir=config.log_dir),
    )
    model_file = run_folder(options) / runfiles.MODEL
    if not model_file.exists():
        raise ModelFileError(
            f"no model at {model_file}, where these options put a run on {config.trained_on}. Train it with the same "
            "options, or name a model file with --model."
        )
    return model_file
