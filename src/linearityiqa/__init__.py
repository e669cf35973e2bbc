"""No-reference image quality assessment with the Norm-in-Norm loss.

The public names are loaded on first use, so that importing the package imports no torch.
"""

import importlib
from importlib.metadata import version
from typing import Any

_HOMES = {
    "LinearityIQA": "linearityiqa.models",
    "load_model": "linearityiqa.models",
    "LossConfig": "linearityiqa.config",
    "ModelConfig": "linearityiqa.config",
    "TrainConfig": "linearityiqa.config",
    "LinearMapping": "linearityiqa.mapping",
    "QualityScores": "linearityiqa.quality",
    "NormInNormLoss": "linearityiqa.losses",
    "QualityLoss": "linearityiqa.losses",
    "norm_in_norm_loss": "linearityiqa.losses",
    "linearity_loss": "linearityiqa.losses",
    "min_max_norm_loss": "linearityiqa.losses",
    "mean_norm_loss": "linearityiqa.losses",
    "scaling_loss": "linearityiqa.losses",
    "monotonicity_loss": "linearityiqa.losses",
    "Scorer": "linearityiqa.scoring",
    "QualityMetric": "linearityiqa.scoring.metric",
}

__all__ = sorted((*_HOMES, "__version__"))


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return version("linearityiqa")
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    if name in ("metrics", "losses", "models", "data", "scoring", "training"):
        return importlib.import_module(f"linearityiqa.{name}")
    raise AttributeError(f"module 'linearityiqa' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
