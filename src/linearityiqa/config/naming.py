"""The name of a run: a pure function of the options that affect its result."""

import hashlib
import json
import re
from pathlib import Path
from typing import Any

from linearityiqa.config.run import TrainConfig
from linearityiqa.config.tree import changed_from_defaults


def result_options(config: TrainConfig) -> dict[str, dict[str, Any]]:
    """The options that affect the result and differ from their defaults, by group.

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
    """A readable prefix and 8 hexadecimal digits of the options' digest.

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
    """The folder of a run: `--output`, or its name in the log folder (in `debug/` there for a debugging run)."""
    if config.run.output is not None:
        return config.run.output
    parent = config.run.log_dir / "debug" if config.run.debug else config.run.log_dir
    return parent / run_name(config)
