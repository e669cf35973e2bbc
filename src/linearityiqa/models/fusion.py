"""Batch normalisation worked into the convolutions before it, which is faster and the same in evaluation."""

import copy
import logging

import torch
from torch import fx
from torch.fx.experimental import optimization

from linearityiqa.models.layout import compute_in_blocks, computes_in_blocks
from linearityiqa.models.network import LinearityIQA

logger = logging.getLogger(__name__)


def with_folded_batch_norm(network: LinearityIQA) -> LinearityIQA:
    """The network with its backbone's batch normalisation folded into the convolutions, for inference.

    Scores change by float32 rounding only. The names of the weights change: such a network is not for saving.

    Args:
        network: in evaluation mode; stays as it is.

    Returns:
        A network with a backbone of its own, in the same memory layout, and the heads of the given one; or the given
        one, where torch.fx cannot follow the flow through its backbone.
    """
    try:
        with torch.no_grad():
            folded = optimization.fuse(network.backbone)
    except (fx.proxy.TraceError, TypeError, ValueError, RuntimeError, NotImplementedError) as cause:
        logger.debug("batch normalisation is not folded: %s", cause)
        return network
    if computes_in_blocks(network.backbone):
        compute_in_blocks(folded)  # the trace has left the hooks behind
    # a shallow copy of a module shares its table of children, which must not change in the original
    whole = copy.copy(network)
    whole._modules = {**network._modules, "backbone": folded}
    return whole
