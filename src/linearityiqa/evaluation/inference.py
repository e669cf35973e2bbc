"""Predictions of a network on a dataset, in batches of equally large images."""

import itertools
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, closing, nullcontext
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from linearityiqa.console import track
from linearityiqa.data.databases.table import ImageTable
from linearityiqa.data.loading.dataset import ImageDataset
from linearityiqa.data.loading.loader import BatchLoader
from linearityiqa.data.loading.samplers import evaluation_batches
from linearityiqa.errors import DataError, NotFiniteError
from linearityiqa.evaluation.predictions import Predictions
from linearityiqa.evaluation.prefetch import NetworkBatch, network_batches
from linearityiqa.images import IMAGENET, Normalisation
from linearityiqa.machine import BatchLimit
from linearityiqa.models.device import in_parallel, parallel_batches
from linearityiqa.models.geometry import evaluation_mode
from linearityiqa.quality import HEADS, QualityScores

Autocast = Callable[[], AbstractContextManager[object]]


class Peers(Protocol):
    """Processes that evaluate the same network on the same images together."""

    @property
    def rank(self) -> int:
        """Number of this process."""
        ...

    @property
    def size(self) -> int:
        """Number of processes."""
        ...

    def gather(self, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Return the rows that all processes hold, in the order of their ranks."""
        ...


def predict(
    network: nn.Module,
    dataset: ImageDataset,
    *,
    limit: BatchLimit,
    device: torch.device,
    normalisation: Normalisation = IMAGENET,
    num_workers: int,
    autocast: Autocast = nullcontext,
    progress: str | None = None,
    bar: bool = True,
    done: NDArray[np.float64] | None = None,
    on_batch: Callable[[NDArray[np.float64]], None] | None = None,
    peers: Peers | None = None,
) -> Predictions:
    """Compute raw scores of every image, by a network in evaluation mode.

    Images of one size share a batch, so that no image is padded or resized for the others' sake, and the scores do
    not depend on the batching beyond rounding. The network's training flags are put back afterwards.

    Args:
        network: a network on `device` whose forward gives `QualityScores` of shape (N,).
        dataset: the images, without augmentation.
        limit: most images and pixels of a batch.
        device: where the network is.
        normalisation: mean and deviation that the network's input is made with.
        num_workers: processes that decode images; 0 decodes in this one.
        autocast: makes the context in which the forward pass runs, for mixed precision.
        progress: beginning of the progress report on standard error; none without it.
        bar: show a progress bar where that is a terminal.
        done: scores of an earlier, interrupted call, shape (N, 3) in the order of `HEADS`, nan where not yet done;
            its finished batches are not computed again. With the same `limit` the result is bit-identical to
            that of an undisturbed call.
        on_batch: called with the scores so far, shape (N, 3), after each batch; the array is reused, so keep a copy.
        peers: processes that take the batches in turn; each ends with all scores. After each round of batches,
            `on_batch` is called in all of them.

    Raises:
        DataError: an image cannot be read, or `done` is not of this dataset.
        NotFiniteError: a score is not a finite number.
    """
    table = dataset.table
    scores = _start(done, len(table))
    unfinished = set(np.flatnonzero(np.isnan(scores).any(axis=1)).tolist())
    # the batches at the start that have all their scores are left out; all others are computed
    batches = list(
        itertools.dropwhile(
            lambda batch: unfinished.isdisjoint(key.index for key in batch), evaluation_batches(dataset.sizes(), limit)
        )
    )
    rank, size = (0, 1) if peers is None else (peers.rank, peers.size)
    turns = batches[rank::size]
    loader = BatchLoader(dataset, turns, num_workers, pin_memory=device.type == "cuda", persistent=False)
    rounds = -(-len(batches) // size)
    with evaluation_mode(network), torch.inference_mode():
        # a process that has no batch in the last round still takes part in it
        mine = itertools.chain(network_batches(loader, device, normalisation), [None] * (rounds - len(turns)))
        scored = _scored(network, mine, autocast, peers, parallel_batches(device))
        shown = track(
            scored,
            progress or "",
            total=rounds,
            enabled=progress is not None,
            bar=bar,
            unit="batch",
            images=lambda batch: len(batch[0]),
        )
        with closing(shown):
            for rows, found in shown:
                scores[rows] = found
                _require_finite(scores, rows, table)
                if on_batch is not None:
                    on_batch(scores)
    return Predictions(
        names=table.names,
        mos=table.mos,
        mos_std=table.mos_std,
        scores=QualityScores(*np.ascontiguousarray(scores.T)),
    )


def _start(done: NDArray[np.float64] | None, length: int) -> NDArray[np.float64]:
    shape = (length, len(HEADS))
    if done is None:
        return np.full(shape, np.nan)
    if done.shape != shape:
        raise DataError(
            f"the scores to resume from have shape {done.shape}, this dataset's have {shape}: they are of another "
            "dataset. Start the evaluation afresh."
        )
    return np.array(done, dtype=np.float64)


def _scored(
    network: nn.Module, batches: Iterable[NetworkBatch | None], autocast: Autocast, peers: Peers | None, parallel: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float64]]]:
    """Yield rows and scores of each batch, joined by those of the peers' batches of the same round."""

    def of_batch(batch: NetworkBatch | None) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        if batch is None:
            return np.empty(0, dtype=np.int64), np.empty((0, len(HEADS)))
        with autocast():
            quality: QualityScores[torch.Tensor] = network(batch.images)
        # one copy, which waits for the device; and to the CPU first: not every accelerator has float64
        return batch.indices.numpy(), torch.stack(list(quality), dim=1).cpu().double().numpy()

    for rows, scores in in_parallel(of_batch, batches, parallel):
        if peers is not None:
            rows, scores = (part.numpy() for part in peers.gather(torch.from_numpy(rows), torch.from_numpy(scores)))
        yield rows, scores


def _require_finite(scores: NDArray[np.float64], rows: NDArray[np.int64], table: ImageTable) -> None:
    bad = rows[~np.isfinite(scores[rows]).all(axis=1)]
    if len(bad):
        raise NotFiniteError(
            f"the network's score of {table.path(int(bad[0]))} is not finite. Check the model's weights, or use "
            "float32 (--opt_level O0)."
        )
