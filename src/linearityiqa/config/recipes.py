"""Sets of options under a name: what the paper does, and what is better where it was measured."""

from dataclasses import replace
from typing import Any

from linearityiqa.config.checks import require_choice
from linearityiqa.config.run import TrainConfig

RECIPES: dict[str, dict[str, Any]] = {
    "paper": {},
    "modern": {"schedule": "cosine", "warmup_epochs": 0.5},
}
"""Options of the optimisation that each recipe sets; all others keep their defaults."""


def with_recipe(name: str, base: TrainConfig | None = None) -> TrainConfig:
    """The options of a recipe, on top of `base` (by default the paper's).

    >>> with_recipe("paper") == TrainConfig()
    True

    Raises:
        ConfigError: there is no such recipe.
    """
    require_choice("recipe", name, RECIPES)
    base = base or TrainConfig()
    return replace(base, optimiser=replace(base.optimiser, **RECIPES[name]))
