"""Optimiser, average of the weights, and learning rate as a function of a run's progress (a schedule has no state)."""

import copy
from math import cos, pi
from typing import Any

import torch
from torch import nn

from linearityiqa.config import OptimiserConfig
from linearityiqa.models import LinearityIQA

SGD_MOMENTUM = 0.9


def build_optimizer(network: LinearityIQA, config: OptimiserConfig) -> torch.optim.Optimizer:
    """Return the optimiser: heads at the learning rate, backbone at `ft_lr_ratio` of it.

    With `ft_lr_ratio` 0 the backbone's parameters are frozen and left out; its batch-norm statistics still move.
    AdamW has two groups of each, since biases and normalisation layers do not decay. The network is on its device.
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

    Fused kernels read a parameter and its moments in memory order: a moment in another layout would meet other weights.
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


class WeightAverage:
    """A copy of a network whose weights follow those under training: average = decay * average + (1 - decay) * weights.

    The running statistics of batch normalisation are averaged too; counters are copied. After n updates the decay is
    at most n / (n + 9), so that the average soon forgets the random values that the heads start from.
    """

    def __init__(self, network: LinearityIQA, decay: float) -> None:
        self.decay = decay
        self.updates = 0
        self.network = copy.deepcopy(network).requires_grad_(False).eval()

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Follow the network by one update."""
        self.updates += 1
        decay = min(self.decay, self.updates / (self.updates + 9))
        mine, theirs = self.network.state_dict(), network.state_dict()
        averaged = [name for name, value in mine.items() if value.is_floating_point()]
        torch._foreach_lerp_([mine[name] for name in averaged], [theirs[name] for name in averaged], 1 - decay)
        for name in mine.keys() - averaged:
            mine[name].copy_(theirs[name])

    def state_dict(self) -> dict[str, Any]:
        """Return averaged weights and number of updates, for a resumed run."""
        return {"updates": self.updates, "network": self.network.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        self.updates = state["updates"]
        self.network.load_state_dict(state["network"])


class Schedule:
    """Sets the learning rates of an optimiser before each of its updates, from those that its groups have now."""

    def __init__(self, optimizer: torch.optim.Optimizer, config: OptimiserConfig, batches_per_epoch: int) -> None:
        self.optimizer, self.config, self.batches_per_epoch = optimizer, config, batches_per_epoch
        self._initial = [float(group["lr"]) for group in optimizer.param_groups]

    def set(self, epoch: int, batches_done: int) -> None:
        """Set the learning rates for the update of `epoch`, from 1, after `batches_done` of its batches."""
        share_done = batches_done / self.batches_per_epoch
        share_next = min(self.config.accumulation_steps / self.batches_per_epoch, 1 - share_done)
        for group, initial in zip(self.optimizer.param_groups, self._initial, strict=True):
            group["lr"] = learning_rate(self.config, initial, epoch - 1 + share_done, share_next)


def learning_rate(config: OptimiserConfig, initial: float, epochs_done: float, epochs_next: float) -> float:
    """Return the learning rate of an update, from that before warm-up, decay and schedule (`initial`).

    `epochs_done` are the passes over the training set before the update (1.5: the middle of the second epoch), and
    `epochs_next` those that it adds: the warm-up ends with an update, and its first is not at 0.

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
