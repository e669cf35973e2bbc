"""A batch larger than memory: passed through the backbone part by part, and once more for its gradient."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint

from linearityiqa.models import LinearityIQA
from linearityiqa.models.network import PooledFeatures


def pooled_by_parts(network: LinearityIQA, parts: Sequence[Tensor]) -> PooledFeatures:
    """What `network.pool` gives for all parts of a batch together, holding the activations of one part at a time.

    The backward pass computes each part a second time, with the same random numbers, and leaves alone the running
    statistics of batch normalisation, which the first pass has moved. Batch normalisation of the backbone sees one
    part at a time; everything after the pooling sees the whole batch.

    Args:
        network: the network in training mode.
        parts: images as `LinearityIQA.forward` takes them; parts may differ in size.
    """

    def contexts() -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
        return nullcontext(), statistics_kept(network.backbone)

    pooled = [checkpoint(network.pool, part, use_reentrant=False, context_fn=contexts) for part in parts]
    return PooledFeatures(*(torch.cat(stage) for stage in zip(*pooled, strict=True)))


@contextmanager
def statistics_kept(network: nn.Module) -> Iterator[None]:
    """Batch normalisation works as ever inside, but afterwards its running statistics are what they were before."""
    layers = [module for module in network.modules() if isinstance(module, _BatchNorm) and module.training]
    kept = [(layer, name, buffer) for layer in layers for name, buffer in layer.named_buffers(recurse=False)]
    for layer, name, buffer in kept:
        setattr(layer, name, buffer.clone())
    try:
        yield
    finally:
        for layer, name, buffer in kept:
            setattr(layer, name, buffer)
