"""Many images at once, in order and in bounded memory: decoded ahead of the network, scored in batches of one size."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from linearityiqa.data.workers import MAX_PIXELS_PER_BATCH
from linearityiqa.scoring.results import ImageScore

T = TypeVar("T")
S = TypeVar("S")

WINDOW_BATCHES = 4
"""How many batches' images may wait for others of their size, or for the ones before them."""


@dataclass(eq=False)
class Slot:
    """An image on its way: decoded pixels that become a result.

    Attributes:
        path: the image, as it was named.
        notes: what was done to decode it.
        pixels: what the network sees, shape (3, H, W), until it is scored; None where decoding failed.
        result: the row, once it is known.
    """

    path: str
    notes: tuple[str, ...] = ()
    pixels: NDArray[np.float32] | None = None
    result: ImageScore | None = None

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the pixels; (0, 0) without any."""
        return (0, 0) if self.pixels is None else (self.pixels.shape[1], self.pixels.shape[2])

    def finish(self, result: ImageScore) -> None:
        """Set the result and let go of the pixels."""
        self.result = result
        self.pixels = None


class Window:
    """Slots that wait to be scored with others of their size, given out in the order in which they came.

    Which images share a batch depends on their order and sizes alone, never on how fast they are decoded.

    Args:
        score: finishes the slots of one batch, all of one size.
        batch_size: most images of a batch.
    """

    def __init__(self, score: Callable[[list[Slot]], None], batch_size: int) -> None:
        self._score = score
        self._batch_size = batch_size
        self._waiting: deque[Slot] = deque()
        self._by_size: dict[tuple[int, int], list[Slot]] = {}

    def add(self, slot: Slot) -> Iterator[ImageScore]:
        """Take a slot, and give the results that are due."""
        self._waiting.append(slot)
        if slot.pixels is not None:
            alike = self._by_size.setdefault(slot.size, [])
            alike.append(slot)
            height, width = slot.size
            if len(alike) >= min(self._batch_size, max(1, MAX_PIXELS_PER_BATCH // (height * width))):
                self._score_size(slot.size)
        while self._waiting and (self._waiting[0].result is not None or self._is_full()):
            yield self._next()

    def drain(self) -> Iterator[ImageScore]:
        """The results of all slots that are left."""
        while self._waiting:
            yield self._next()

    def _is_full(self) -> bool:
        held = sum(size[0] * size[1] * len(slots) for size, slots in self._by_size.items())
        return len(self._waiting) >= WINDOW_BATCHES * self._batch_size or held >= WINDOW_BATCHES * MAX_PIXELS_PER_BATCH

    def _next(self) -> ImageScore:
        if self._waiting[0].result is None:
            self._score_size(self._waiting[0].size)
        result = self._waiting.popleft().result
        if result is None:
            raise RuntimeError("a batch was scored without finishing its slots")
        return result

    def _score_size(self, size: tuple[int, int]) -> None:
        self._score(self._by_size.pop(size))


def ahead(executor: Executor, function: Callable[[T], S], items: Iterable[T], depth: int) -> Iterator[S]:
    """`function` of each item, in order, computed up to `depth` items ahead; `items` is read no further than that."""
    pending: deque[Future[S]] = deque()
    try:
        for item in items:
            pending.append(executor.submit(function, item))
            if len(pending) > depth:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        for future in pending:
            future.cancel()
