"""Learning rates as a function of how far a run is, and of nothing else: there is no state to save or restore."""

from math import cos, pi

import torch

from linearityiqa.config import OptimiserConfig


class Schedule:
    """Sets the learning rates of an optimiser before each of its updates.

    Args:
        optimizer: its groups' learning rates are those that the schedule starts from.
        config: which schedule.
        batches_an_epoch: batches of an epoch.
    """

    def __init__(self, optimizer: torch.optim.Optimizer, config: OptimiserConfig, batches_an_epoch: int) -> None:
        self.optimizer, self.config, self.batches_an_epoch = optimizer, config, batches_an_epoch
        self._initial = [float(group["lr"]) for group in optimizer.param_groups]

    def set(self, epoch: int, batches_done: int) -> None:
        """Set the learning rates for the next update.

        Args:
            epoch: the epoch under way, from 1.
            batches_done: batches of this epoch before the update.
        """
        share_done = batches_done / self.batches_an_epoch
        share_next = min(self.config.accumulation_steps / self.batches_an_epoch, 1 - share_done)
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
