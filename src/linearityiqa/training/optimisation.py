"""Optimiser, learning rate as a function of how far a run is (there is no state of a schedule), scale of the labels."""

from dataclasses import dataclass
from math import cos, pi
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


class Schedule:
    """Sets the learning rates of an optimiser before each of its updates.

    Args:
        optimizer: its groups' learning rates are those that the schedule starts from.
        config: which schedule.
        batches_per_epoch: batches of an epoch.
    """

    def __init__(self, optimizer: torch.optim.Optimizer, config: OptimiserConfig, batches_per_epoch: int) -> None:
        self.optimizer, self.config, self.batches_per_epoch = optimizer, config, batches_per_epoch
        self._initial = [float(group["lr"]) for group in optimizer.param_groups]

    def set(self, epoch: int, batches_done: int) -> None:
        """Set the learning rates for the next update.

        Args:
            epoch: the epoch under way, from 1.
            batches_done: batches of this epoch before the update.
        """
        share_done = batches_done / self.batches_per_epoch
        share_next = min(self.config.accumulation_steps / self.batches_per_epoch, 1 - share_done)
        for group, initial in zip(self.optimizer.param_groups, self._initial, strict=True):
            group["lr"] = learning_rate(self.config, initial, epoch - 1 + share_done, share_next)


def learning_rate(config: OptimiserConfig, initial: float, epochs_done: float, epochs_next: float) -> float:
    """The learning rate of an update.

    Args:
        config: schedule, warm-up, decay and epochs.
        initial: learning rate without either.
        epochs_done: passes over the training set before the update; 1.5 is the middle of the second epoch.
        epochs_next: what the update adds to them: the warm-up ends with an update, and its first is not at 0.

    >>> [learning_rate(OptimiserConfig(schedule="cosine", epochs=2), 1.0, done, 0.5) for done in (0.0, 1.0)]
    [1.0, 0.5]
    """
    warmup = config.warmup_epochs
    rising = min(1.0, (epochs_done + epochs_next) / warmup) if warmup > 0 else 1.0
    if config.schedule == "cosine":
        share = (epochs_done - warmup) / (config.epochs - warmup) if config.epochs > warmup else 0.0
        return initial * rising * (1 + cos(pi * max(share, 0.0))) / 2
    rate = initial
    if config.lr_decay_epochs is not None:
        for _ in range(int(epochs_done) // config.lr_decay_epochs):
            rate *= config.lr_decay  # one by one, as StepLR rounds
    return rate * rising
