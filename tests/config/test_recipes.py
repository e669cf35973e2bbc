"""Recipes under a name. Oracle: the record in the file of the model in the package."""

from dataclasses import replace

from linearityiqa.config import RECIPES, RunConfig, TrainConfig, with_recipe
from linearityiqa.models import open_model
from linearityiqa.packaged import bundled_weights


def test_modern_is_what_the_model_in_the_package_was_trained_with() -> None:
    trained, modern = open_model(bundled_weights()).record.config, with_recipe("modern")
    assert trained.model == modern.model
    assert trained.transform == modern.transform
    assert trained.augmentation == modern.augmentation
    seed, device = {"seed": trained.optimiser.seed}, {"randomness": trained.optimiser.randomness}
    assert trained.optimiser == replace(modern.optimiser, **seed, **device)


def test_a_recipe_leaves_the_other_options_of_its_base() -> None:
    base = TrainConfig(run=RunConfig(json=True))
    assert with_recipe("modern", base).run.json
    assert set(RECIPES) == {"paper", "modern"}
