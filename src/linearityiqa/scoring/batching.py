"""Many images at once, in order and in bounded memory: decoded ahead of the network, scored in batches of one size."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from dataclasses import dataclass

from linearityiqa.data.workers import MAX_PIXELS_PER_BATCH, BatchLimit
from linearityiqa.scoring.prepared import Prepared
from linearityiqa.scoring.results import ImageScore

WINDOW_BATCHES = 4
"""How many batches' images may wait for others of their size, or for the ones before them."""
WAITING_PIXELS = WINDOW_BATCHES * MAX_PIXELS_PER_BATCH
"""How many pixels of decoded images may."""


@dataclass(eq=False)
class Slot:
    """An image on its way: decoded pixels that become a result.

    Attributes:
        path: the image, as it was named.
        image: what the network sees, until it is scored; None where decoding failed.
        result: the row, once it is known.
        batch: the batch that finishes this slot, once it is under way.
    """

    path: str
    image: Prepared | None = None
    result: ImageScore | None = None
    batch: Future[None] | None = None

    @property
    def pixels(self) -> int:
        """Pixels that are held; 0 without any."""
        return 0 if self.image is None else self.image.size[0] * self.image.size[1]

    @property
    def known(self) -> bool:
        """Whether the result can be had without waiting."""
        return self.result is not None or (self.batch is not None and self.batch.done())

    def finish(self, result: ImageScore) -> None:
        """Set the result and let go of the pixels."""
        self.result = result
        self.image = None

    def wait(self) -> ImageScore:
        """The result, as soon as the batch is through; an unforeseen failure of the batch is raised here."""
        if self.batch is not None:
            self.batch.result()
        if self.result is None:
            raise RuntimeError("a batch was scored without finishing its slots")
        return self.result


class Window:
    """Slots that wait to be scored with others of their size, given out in the order in which they came.

    Which images share a batch depends on their order and sizes alone, never on how fast they are decoded or scored.

    Args:
        start: starts a batch, slots of one size, and gives what finishes with it.
        limit: most images and pixels of a batch.
    """

    def __init__(self, start: Callable[[list[Slot]], Future[None]], limit: BatchLimit) -> None:
        self._start = start
        self._limit = limit
        self._waiting: deque[Slot] = deque()
        self._by_size: dict[tuple[int, int], list[Slot]] = {}

    def add(self, slot: Slot) -> Iterator[Slot]:
        """Take a slot, and give those whose turn it is and whose batch is under way."""
        self._waiting.append(slot)
        if slot.image is not None:
            alike = self._by_size.setdefault(slot.image.size, [])
            alike.append(slot)
            if len(alike) >= self._limit.of(slot.pixels):
                self._start_size(slot.image.size)
        while self._waiting and (self._is_under_way(self._waiting[0]) or self._is_full()):
            yield self._next()

    def drain(self) -> Iterator[Slot]:
        """All slots that are left."""
        while self._waiting:
            yield self._next()

    def _is_full(self) -> bool:
        held = sum(size[0] * size[1] * len(slots) for size, slots in self._by_size.items())
        return len(self._waiting) >= WINDOW_BATCHES * self._limit.images or held >= WAITING_PIXELS

    @staticmethod
    def _is_under_way(slot: Slot) -> bool:
        return slot.result is not None or slot.batch is not None

    def _next(self) -> Slot:
        slot = self._waiting[0]
        if not self._is_under_way(slot) and slot.image is not None:
            self._start_size(slot.image.size)
        return self._waiting.popleft()

    def _start_size(self, size: tuple[int, int]) -> None:
        slots = self._by_size.pop(size)
        batch = self._start(slots)
        for slot in slots:
            slot.batch = batch


class Lanes:
    """Batches on their way through the network, in the threads of an executor.

    At most one batch more than there are threads is under way: no thread waits for work, and what is held is bounded.

    Args:
        executor: runs the batches.
        threads: how many threads it has.
        score: finishes the slots of one batch, all of one size.
    """

    def __init__(self, executor: Executor, threads: int, score: Callable[[list[Slot]], None]) -> None:
        self._executor = executor
        self._threads = threads
        self._score = score
        self._under_way: deque[Future[None]] = deque()

    def start(self, slots: list[Slot]) -> Future[None]:
        """Start a batch, as soon as one of those before it makes room."""
        while len(self._under_way) > self._threads:
            self._under_way.popleft().result()
        future = self._executor.submit(self._score, slots)
        self._under_way.append(future)
        return future


def in_order(slots: Iterable[Slot], most: int) -> Iterator[ImageScore]:
    """The results of slots, in their order, each as soon as it is known; at most `most` are waited for at a time."""
    due: deque[Slot] = deque()
    for slot in slots:
        due.append(slot)
        while due and (due[0].known or len(due) > most):
            yield due.popleft().wait()
    while due:
        yield due.popleft().wait()
