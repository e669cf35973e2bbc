"""Batches on their way from the loader to the network: copied to its device and normalised there."""

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor

from linearityiqa.data.loading.dataset import Batch
from linearityiqa.images import Normalisation


class NetworkBatch(NamedTuple):
    """A batch as the network takes it, on its device."""

    images: Tensor
    """Normalised, float32 (N, 3, H, W) in channels-last memory."""
    mos: Tensor
    """float32 (N,)."""
    indices: Tensor
    """Rows in the table, int64 (N,), on the CPU."""


def network_batches(
    loader: Iterable[Batch], device: torch.device, normalisation: Normalisation
) -> Iterator[NetworkBatch]:
    """Yield the loader's batches on `device`; a GPU copies and normalises the next one while it computes with this one.

    Only copies from page-locked memory overlap with the computation: make the loader with ``pin_memory=True``.
    """
    if device.type != "cuda":
        for batch in loader:
            yield transfer(batch, device, normalisation)
        return
    copying = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
    previous: tuple[NetworkBatch, torch.cuda.Event] | None = None
    for batch in loader:
        with torch.cuda.stream(copying):
            following = transfer(batch, device, normalisation)
            arrived = copying.record_event()
        if previous is not None:
            yield _hand_over(*previous)
        previous = following, arrived
    if previous is not None:
        yield _hand_over(*previous)


def normalised(pixels: Tensor, normalisation: Normalisation) -> Tensor:
    """Normalise RGB images, uint8 (N, H, W, 3), on their device; the values are those of `images.normalise` to the bit.

    Returns:
        float32 (N, 3, H, W) in channels-last memory.
    """
    count, height, width, channels = pixels.shape
    levels, mean, std = _constants(width, pixels.device, normalisation)
    rows = pixels.reshape(count, height, width * channels)
    output = torch.empty(rows.shape, dtype=torch.float32, device=pixels.device)
    # image by image on a CPU: the three passes then find their numbers in the cache (twice as fast as by batches)
    pieces = zip(output, rows, strict=True) if pixels.device.type == "cpu" else ((output, rows),)
    for result, given in pieces:
        result.copy_(given).div_(levels).sub_(mean).div_(std)
    return output.view(count, height, width, channels).permute(0, 3, 1, 2)


@lru_cache(maxsize=64)
def _constants(width: int, device: torch.device, normalisation: Normalisation) -> tuple[Tensor, Tensor, Tensor]:
    """Return 255, and mean and deviation of every value in a row of `width` pixels."""
    with torch.inference_mode(False):  # tensors made for an evaluation also serve training
        # 255 as a tensor of the device: a GPU would multiply by the reciprocal of a number, which rounds differently
        levels, mean, std = (torch.tensor(values) for values in ([255.0], normalisation.mean, normalisation.std))
        # copies that block: any stream may use them from now on
        return levels.to(device), mean.repeat(width).to(device), std.repeat(width).to(device)


def transfer(batch: Batch, device: torch.device, normalisation: Normalisation) -> NetworkBatch:
    """Copy a batch to `device` and normalise it there."""
    images = normalised(batch.images.to(device, non_blocking=True), normalisation)
    return NetworkBatch(images, batch.mos.to(device, non_blocking=True), batch.indices)


def _hand_over(batch: NetworkBatch, arrived: torch.cuda.Event) -> NetworkBatch:
    """Return the batch for the current stream, which waits for it; its memory is not reused before that is done."""
    stream = torch.cuda.current_stream(batch.images.device)
    stream.wait_event(arrived)
    batch.images.record_stream(stream)
    batch.mos.record_stream(stream)
    return batch
