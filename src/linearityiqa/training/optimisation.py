"""Optimiser, and the scale of the labels."""

from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from linearityiqa.config import OptimiserConfig
from linearityiqa.errors import DataError
from linearityiqa.models import LinearityIQA

SGD_MOMENTUM = 0.9

Opinions = TypeVar("Opinions", torch.Tensor, NDArray[np.float64])


def build_optimizer(network: LinearityIQA, config: OptimiserConfig) -> torch.optim.Optimizer:
    """The optimiser: heads at the learning rate, backbone at `ft_lr_ratio` of it.

    With `ft_lr_ratio` 0 the backbone's parameters are frozen and left out; its batch-norm statistics still move.
    AdamW has two groups of each, since biases and normalisation layers do not decay.

    Args:
        network: the network, on its device.
        config: which optimiser, and its options.
    """
    groups = _groups(list(network.head_parameters()), config.learning_rate, config)
    backbone = list(network.backbone_parameters())
    if config.ft_lr_ratio > 0:
        groups += _groups(backbone, config.learning_rate * config.ft_lr_ratio, config)
    else:
        for parameter in backbone:
            parameter.requires_grad_(False)
    # all parameters in one pass over memory, where torch has such a kernel
    fused = True if next(network.parameters()).device.type in ("cpu", "cuda") else None
    match config.optimizer:
        case "adam":
            return torch.optim.Adam(groups, weight_decay=config.weight_decay, fused=fused)
        case "adamw":
            return torch.optim.AdamW(groups, weight_decay=config.weight_decay, fused=fused)
        case "sgd":
            return torch.optim.SGD(groups, momentum=SGD_MOMENTUM, weight_decay=config.weight_decay, fused=fused)
        case "adadelta":
            return torch.optim.Adadelta(groups, weight_decay=config.weight_decay)


def restore_optimizer(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Set an optimiser to a saved state, with every moment in the memory layout that its parameter has here.

    The fused kernels go over a parameter and its moments as they lie in memory: in the layout of another machine, or
    of other options, the moments would be taken for those of other weights.
    """
    optimizer.load_state_dict(state)
    for parameter, moments in optimizer.state.items():
        for name, moment in moments.items():
            if isinstance(moment, torch.Tensor) and moment.shape == parameter.shape:
                moments[name] = torch.empty_like(parameter.detach(), dtype=moment.dtype).copy_(moment)


def _groups(parameters: list[torch.nn.Parameter], rate: float, config: OptimiserConfig) -> list[dict[str, Any]]:
    if config.optimizer != "adamw":
        return [{"params": parameters, "lr": rate}]
    weights = [parameter for parameter in parameters if parameter.ndim > 1]
    others = [parameter for parameter in parameters if parameter.ndim <= 1]
    return [{"params": weights, "lr": rate}, {"params": others, "lr": rate, "weight_decay": 0.0}]


@dataclass(frozen=True)
class LabelScaling:
    """What is subtracted from the MOS, and what it is then divided by, before the loss sees it."""

    mean: float = 0.0
    deviation: float = 1.0

    @classmethod
    def of(cls, config: OptimiserConfig, training_mos: NDArray[np.float64]) -> "LabelScaling":
        """The scaling that `label_scale` asks for, from the training set alone.

        Raises:
            DataError: all training images have the same MOS, so there is nothing to standardise (or to learn).
        """
        if config.label_scale == "given":
            return cls()
        deviation = float(training_mos.std())
        if deviation == 0:
            raise DataError("all training images have the same MOS: there is nothing to learn. Check the labels.")
        return cls(float(training_mos.mean()), deviation)

    def __call__(self, mos: Opinions) -> Opinions:
        """The labels as the loss sees them."""
        return (mos - self.mean) / self.deviation
