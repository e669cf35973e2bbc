"""Matrix products at each of several points, by the library that is fastest at them on this processor."""

from collections.abc import Sequence

import torch
from torch import Tensor


def products(left: Tensor, right: Tensor) -> Sequence[Tensor]:
    """left (P, M, C) times right (P, C, K): one matrix (M, K) for each of the P points."""
    if _is_for_onednn(left):
        return [_times(one, other) for one, other in zip(left, right, strict=True)]
    return torch.bmm(left, right).unbind()


def add_products(total: Tensor, left: Tensor, right: Tensor) -> None:
    """Add left (P, M, C) times right (P, C, K) to `total`, (P, M, K)."""
    if _is_for_onednn(left):
        for one_total, one, other in zip(total, left, right, strict=True):
            one_total.add_(_times(one, other))
    else:
        torch.baddbmm(total, left, right, out=total)


def _is_for_onednn(matrices: Tensor) -> bool:
    """Where vectors of 512 bits are to be had: MKL, which torch takes for matrices, leaves them unused on AMD's."""
    return (
        matrices.dtype == torch.float32
        and matrices.device.type == "cpu"
        and torch.backends.cpu.get_cpu_capability() == "AVX512"
        and hasattr(torch.ops.mkldnn, "_linear_pointwise")
    )


def _times(left: Tensor, right: Tensor) -> Tensor:
    # what torch's own compiler emits for a linear layer; `linear` itself hands matrices to MKL
    result: Tensor = torch.ops.mkldnn._linear_pointwise(left, right.mT, None, "none", [], "")
    return result
