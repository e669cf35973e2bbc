"""Batch normalisation worked into the convolutions before it, which is faster and the same in evaluation."""

import logging
from typing import cast

import torch
from torch import fx
from torch.fx.experimental import optimization

from linearityiqa.models.backbones import Backbone
from linearityiqa.models.network import LinearityIQA

logger = logging.getLogger(__name__)


def fuse_batch_norm(network: LinearityIQA) -> LinearityIQA:
    """Fold the backbone's batch normalisation into its convolutions, for inference; returns the network.

    Scores change by float32 rounding only. The names of the weights change: such a network is not for saving.
    A backbone whose flow torch.fx cannot follow stays as it is.

    Args:
        network: in evaluation mode; its backbone is replaced.
    """
    try:
        with torch.no_grad():
            fused = optimization.fuse(network.backbone)
    except (fx.proxy.TraceError, TypeError, ValueError, RuntimeError, NotImplementedError) as cause:
        logger.debug("batch normalisation is not fused: %s", cause)
        return network
    network.backbone = cast(Backbone, fused)
    return network
