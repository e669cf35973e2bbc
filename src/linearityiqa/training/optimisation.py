"""Optimiser, learning-rate schedule and the scale of the labels."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from linearityiqa.config import OptimiserConfig
from linearityiqa.errors import DataError
from linearityiqa.models import LinearityIQA

SGD_MOMENTUM = 0.9


def build_optimizer(network: LinearityIQA, config: OptimiserConfig) -> torch.optim.Optimizer:
    """The optimiser over two groups: heads at the learning rate, backbone at `ft_lr_ratio` of it.

    With `ft_lr_ratio` 0 the backbone's parameters are frozen and left out; its batch-norm statistics still move.
    """
    groups = [{"params": list(network.head_parameters()), "lr": config.learning_rate}]
    backbone = list(network.backbone_parameters())
    if config.ft_lr_ratio > 0:
        groups.append({"params": backbone, "lr": config.learning_rate * config.ft_lr_ratio})
    else:
        for parameter in backbone:
            parameter.requires_grad_(False)
    match config.optimizer:
        case "adam":
            return torch.optim.Adam(groups, weight_decay=config.weight_decay)
        case "sgd":
            return torch.optim.SGD(groups, momentum=SGD_MOMENTUM, weight_decay=config.weight_decay)
        case "adadelta":
            return torch.optim.Adadelta(groups, weight_decay=config.weight_decay)


def build_schedule(optimizer: torch.optim.Optimizer, config: OptimiserConfig) -> torch.optim.lr_scheduler.StepLR | None:
    """StepLR by epochs as the paper's recipe has it, or None where the learning rate never decays."""
    if config.lr_decay_epochs is None:
        return None
    return torch.optim.lr_scheduler.StepLR(optimizer, step_size=config.lr_decay_epochs, gamma=config.lr_decay)


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

    def __call__(self, mos: torch.Tensor) -> torch.Tensor:
        """The labels as the loss sees them."""
        return (mos - self.mean) / self.deviation
