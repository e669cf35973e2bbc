"""The gradient of a batch whose images are shared among processes."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial

import torch
import torch.distributed as dist
from torch import nn

from linearityiqa.training.distributed import World, answered

BUCKET_BYTES = 25_000_000
"""Gradients that travel together: few enough to overlap with the rest of the pass, enough to be worth the journey."""


class SharedGradients:
    """Makes the gradients of all processes those of the whole batch, while the backward pass goes on.

    A backward pass yields gradients from the last layer to the first. They are collected in that order in buckets, and
    a full bucket is on its way while the next is computed. Every process sends the buckets in one order, in whatever
    order they fill.

    Not DistributedDataParallel: it takes means where the sum is wanted, is an error where the loss leaves out a part
    of the network (a beta of 0), and its wrapper renames every weight.

    Args:
        world: the processes.
        summed: parameters of which each process has the gradient of its own images; the sum is wanted.
        copied: parameters of which each process has the whole gradient. That of process 0 counts, so that rounding
            cannot lead the processes apart.
    """

    def __init__(self, world: World, summed: Iterable[nn.Parameter], copied: Iterable[nn.Parameter]) -> None:
        self._buckets: list[_Bucket] = []
        self._sent = 0
        self._started = False
        if world.size > 1:
            self._buckets += _in_buckets(copied, copied=True)
            self._buckets += _in_buckets(summed, copied=False)
        for bucket in self._buckets:
            for parameter in bucket.parameters:
                parameter.register_post_accumulate_grad_hook(partial(self._note, bucket))  # type: ignore[no-untyped-call]

    def start(self) -> None:
        """Say that the next backward pass completes the gradients; without it they are sent when it has ended."""
        for bucket in self._buckets:
            bucket.missing = len(bucket.parameters)
        self._started = True

    def finish(self) -> None:
        """Put the gradient of the whole batch into every parameter. Where there is none, there will be none."""
        for bucket in self._buckets[self._sent :]:
            bucket.send()
        for bucket in self._buckets:
            bucket.receive()
        self._sent, self._started = 0, False

    def _note(self, bucket: "_Bucket", _: torch.Tensor) -> None:
        if not self._started:
            return
        bucket.missing -= 1
        while self._sent < len(self._buckets) and self._buckets[self._sent].missing == 0:
            self._buckets[self._sent].send()
            self._sent += 1


@dataclass
class _Bucket:
    parameters: list[nn.Parameter]
    copied: bool
    missing: int = 0
    _flat: torch.Tensor = field(default_factory=lambda: torch.empty(0))
    _work: dist.Work | None = None

    def send(self) -> None:
        # what no process has a gradient of, since all compute the same, travels as zeros
        parts = [torch.zeros_like(p) if p.grad is None else p.grad for p in self.parameters]
        self._flat = torch.cat([part.reshape(-1) for part in parts])
        with answered():
            if self.copied:
                self._work = dist.broadcast(self._flat, src=0, async_op=True)
            else:
                self._work = dist.all_reduce(self._flat, async_op=True)

    def receive(self) -> None:
        with answered():
            if self._work is not None:
                self._work.wait()
        start = 0
        for parameter in self.parameters:
            if parameter.grad is not None:
                parameter.grad.copy_(self._flat[start : start + parameter.numel()].view_as(parameter))
            start += parameter.numel()
        self._flat, self._work = torch.empty(0), None


def _in_buckets(parameters: Iterable[nn.Parameter], *, copied: bool) -> list[_Bucket]:
    buckets: list[_Bucket] = []
    size = BUCKET_BYTES
    for parameter in reversed([parameter for parameter in parameters if parameter.requires_grad]):
        if size >= BUCKET_BYTES:
            buckets.append(_Bucket([], copied))
            size = 0
        buckets[-1].parameters.append(parameter)
        size += parameter.nbytes
    return buckets
