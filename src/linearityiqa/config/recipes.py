"""Sets of options under a name: what the paper does, and what is better where it was measured."""

from dataclasses import replace
from typing import Any

from linearityiqa.config.checks import require_choice
from linearityiqa.config.run import TrainConfig

RECIPES: dict[str, dict[str, dict[str, Any]]] = {
    "paper": {},
    "modern": {
        "model": {"architecture": "timm/tf_efficientnet_lite2"},
        "transform": {"resize": True, "resize_mode": "shrink", "resize_size_h": 448, "resize_size_w": 448},
        "augmentation": {
            "augmentation": True,
            "angle": 0.0,
            "crop_size_h": 352,
            "crop_size_w": 352,
            "scale_min": 0.8,
            "turn_p": 0.15,
        },
        "optimiser": {
            "batch_size": 32,
            "learning_rate": 1e-3,
            "ft_lr_ratio": 0.3,
            "schedule": "cosine",
            "warmup_epochs": 0.2,
            "epochs": 8,
        },
    },
}
"""Options that each recipe sets, by section; all others keep their defaults. `modern` is what the model in the package
was trained with."""


def with_recipe(name: str, base: TrainConfig | None = None) -> TrainConfig:
    """The options of a recipe, on top of `base` (by default the paper's).

    >>> with_recipe("paper") == TrainConfig()
    True
    >>> with_recipe("modern").optimiser.epochs
    8

    Raises:
        ConfigError: there is no such recipe.
    """
    require_choice("recipe", name, RECIPES)
    base = base or TrainConfig()
    sections = {section: replace(getattr(base, section), **options) for section, options in RECIPES[name].items()}
    return replace(base, **sections)
