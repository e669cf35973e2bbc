"""The authors' checkpoints: their names for the tensors, and their mapping.

Nothing else in the package knows these names. A checkpoint is a dictionary with a state dict ``model``, and the mapping
to MOS as ``k`` (slopes) and ``b`` (intercepts), each [fused, stage 3, stage 4].
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from linearityiqa.config import ModelConfig
from linearityiqa.errors import ConfigError, ModelFileError
from linearityiqa.mapping import LinearMapping
from linearityiqa.models.backbones import Trunk
from linearityiqa.models.network import LinearityIQA
from linearityiqa.models.tensors import difference
from linearityiqa.quality import QualityScores

ARCHITECTURES = ("alexnet", "vgg16", "resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "resnext101_32x8d")
"""Backbones that the authors' program knows."""


def authors_names(network: LinearityIQA) -> dict[str, str]:
    """Key of each tensor of `network` -> its key in the authors' checkpoints; ConfigError for a timm backbone."""
    backbone = network.backbone
    if not isinstance(backbone, Trunk):
        raise ConfigError(f"the authors' checkpoints have no names for {network.config.architecture}")
    heads = {"stage3.reduce": "dr6", "stage4.reduce": "dr7"}
    for ours, theirs in (("stage3.score", "regr6"), ("stage4.score", "regr7"), ("fused", "regression")):
        heads[f"{ours}.linear"] = f"{theirs}.0" if network.config.use_bn_end else theirs
        heads[f"{ours}.norm"] = f"{theirs}.1"
    children = [child for child, _ in backbone.named_children()]
    modules = {f"backbone.{child}": f"features.{index}" for index, child in enumerate(children)} | heads
    names = {}
    for key in network.state_dict():
        ours = next(module for module in modules if key.startswith(f"{module}."))
        names[key] = modules[ours] + key.removeprefix(ours)
    return names


def to_authors(state: Mapping[str, Tensor], network: LinearityIQA) -> dict[str, Tensor]:
    """Return a state dict of `network` under the authors' names."""
    names = authors_names(network)
    return {names[key]: value for key, value in state.items()}


def from_authors(state: Mapping[str, Tensor], network: LinearityIQA) -> dict[str, Tensor]:
    """Return a state dict for `network` from one under the authors' names."""
    return {key: state[theirs] for key, theirs in authors_names(network).items() if theirs in state}


def check_fit(state: Mapping[str, Tensor], network: LinearityIQA, path: Path) -> None:
    """Raise ModelFileError unless a state dict under the authors' names fits; say what differs, and what may fit."""
    problem = difference(to_authors(network.state_dict(), network), state)
    if not problem:
        return
    likely = next((name for name in ARCHITECTURES if _has_backbone(state, name)), None)
    if likely and likely != network.config.architecture:
        remedy = f"Its backbone is {likely}: pass -arch {likely}."
    elif likely:
        remedy = "Its backbone fits: pass the --pool, --P6, --P7 and --use_bn_end that it was trained with."
    else:
        remedy = "Pass the -arch, --pool, --P6, --P7 and --use_bn_end that it was trained with."
    raise ModelFileError(f"{path} is not a {network.config.architecture} model as described: {problem}. {remedy}")


def mapping_in(content: Any, path: Path) -> QualityScores[LinearMapping] | None:
    """Return the mapping in a checkpoint, or None; ModelFileError if ``k`` or ``b`` is not three finite numbers."""
    if not isinstance(content, Mapping) or not {"k", "b"} <= set(content):
        return None
    slopes, intercepts = (_three_numbers(content[name], name, path) for name in ("k", "b"))
    fused, stage3, stage4 = map(LinearMapping, slopes, intercepts)
    return QualityScores(stage3=stage3, stage4=stage4, fused=fused)


def _three_numbers(values: Any, name: str, path: Path) -> list[float]:
    try:
        numbers = [float(np.asarray(value, dtype=np.float64).reshape(())) for value in values]
        if len(numbers) != 3 or not all(map(math.isfinite, numbers)):
            raise ValueError(f"got {numbers}")
    except (TypeError, ValueError, RuntimeError) as cause:
        raise ModelFileError(
            f"{path}: entry {name!r} must be three finite numbers, for fused, stage 3 and stage 4 ({cause}). "
            "Save the checkpoint again."
        ) from cause
    return numbers


def _has_backbone(state: Mapping[str, Tensor], architecture: str) -> bool:
    with torch.device("meta"):
        network = LinearityIQA(ModelConfig(architecture=architecture))
    theirs = to_authors(network.state_dict(), network)
    given = {name: value for name, value in state.items() if name.startswith("features.")}
    return not difference({name: value for name, value in theirs.items() if name.startswith("features.")}, given)
