"""Recipes, and the name of a run: a pure function of the options that affect its result."""

import hashlib
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from linearityiqa.config.checks import require_choice
from linearityiqa.config.run import TrainConfig
from linearityiqa.config.tree import changed_from_defaults

RECIPES: dict[str, dict[str, dict[str, Any]]] = {
    "paper": {},
    "modern": {
        "model": {"architecture": "timm/tf_efficientnet_lite0"},
        "transform": {
            "resize": True,
            "resize_mode": "fit",
            "resize_size_h": 448,
            "resize_size_w": 448,
            "decode_reduced": True,
        },
        "augmentation": {
            "augmentation": True,
            "angle": 0.0,
            "crop_size_h": 352,
            "crop_size_w": 352,
            "turn_p": 0.1,
            "versions": 4,
        },
        "optimiser": {
            "batch_size": 32,
            "learning_rate": 1e-3,
            "ft_lr_ratio": 0.3,
            "schedule": "cosine",
            "warmup_epochs": 0.2,
            "epochs": 3,
        },
    },
}
"""Options that each recipe sets, by section; all others keep their defaults. `modern` is what the model in the package
was trained with (in two runs: `scripts/bundled_model.py`)."""


def with_recipe(name: str, base: TrainConfig | None = None) -> TrainConfig:
    """Return the options of a recipe, on top of `base` (by default the paper's).

    >>> with_recipe("paper") == TrainConfig()
    True
    >>> with_recipe("modern").optimiser.epochs
    3
    """
    require_choice("recipe", name, RECIPES)
    base = base or TrainConfig()
    sections = {section: replace(getattr(base, section), **options) for section, options in RECIPES[name].items()}
    return replace(base, **sections)


def result_options(config: TrainConfig) -> dict[str, dict[str, Any]]:
    """Return the options that affect the result and differ from their defaults, by group.

    Options at their default are left out, so that an option added later renames no earlier run.
    """
    groups = {
        "loss": config.loss.effective(),
        "model": config.model,
        "data": config.data,
        "transform": config.transform.effective(),
        "augmentation": config.augmentation.effective(),
        "optimiser": config.optimiser.effective(),
    }
    changed = {name: changed_from_defaults(group) for name, group in groups.items()}
    return {name: options for name, options in changed.items() if options}


def run_name(config: TrainConfig) -> str:
    """Return a readable prefix and 8 hexadecimal digits of the options' digest.

    >>> run_name(TrainConfig()) == run_name(TrainConfig())
    True
    >>> run_name(TrainConfig()).rpartition("-")[0]
    'KonIQ-10k-resnext101_32x8d-norm-in-norm-p1-q2'
    """
    loss = config.loss.effective()
    parts = [Path(config.data.dataset).stem, config.model.architecture, loss.loss_type]
    if loss.loss_type == "norm-in-norm":
        parts += [f"p{loss.p:g}", f"q{loss.q:g}"]
    prefix = re.sub(r"[^A-Za-z0-9_.+-]+", "_", "-".join(parts))[:120]
    canonical = json.dumps(result_options(config), sort_keys=True, separators=(",", ":"))
    return f"{prefix}-{hashlib.sha256(canonical.encode()).hexdigest()[:8]}"


def run_folder(config: TrainConfig) -> Path:
    """Return the folder of a run: `--output`, or its name in the log folder (of a debugging run, in `debug/` there)."""
    if config.run.output is not None:
        return config.run.output
    parent = config.run.log_dir / "debug" if config.run.debug else config.run.log_dir
    return parent / run_name(config)
