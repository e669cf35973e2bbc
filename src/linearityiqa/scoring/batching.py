"""Many images at once, in bounded memory: put into batches of one size, and their results into order again."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from dataclasses import dataclass

from linearityiqa.data.loading.samplers import MAX_PIXELS_PER_BATCH, BatchLimit
from linearityiqa.scoring.prepared import PreprocessedImage
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
        place: number of the image among all.
    """

    path: str
    image: PreprocessedImage | None = None
    result: ImageScore | None = None
    place: int = 0

    @property
    def pixels(self) -> int:
        """Pixels that are held; 0 without any."""
        return 0 if self.image is None else self.image.size[0] * self.image.size[1]

    def finish(self, result: ImageScore) -> None:
        """Set the result and let go of the pixels."""
        self.result = result
        self.image = None


def in_batches(slots: Iterable[Slot], limit: BatchLimit) -> Iterator[list[Slot]]:
    """Batches of slots that have one size; one whose image could not be decoded is a batch of its own.

    Which images share a batch depends on their order and sizes alone, never on how fast they are decoded or scored.

    Args:
        slots: read only as far as `WINDOW_BATCHES` and `WAITING_PIXELS` allow. They get their `place`.
        limit: most images and pixels of a batch.
    """
    waiting: dict[tuple[int, int], list[Slot]] = {}  # by size; the first holds the oldest slot

    def is_full() -> bool:
        span = place + 1 - next(iter(waiting.values()))[0].place
        pixels = sum(height * width * len(alike) for (height, width), alike in waiting.items())
        return span >= WINDOW_BATCHES * limit.images or pixels >= WAITING_PIXELS

    for place, slot in enumerate(slots):
        slot.place = place
        if slot.image is None:
            yield [slot]
        else:
            size = slot.image.size
            waiting.setdefault(size, []).append(slot)
            if len(waiting[size]) >= limit.of(slot.pixels):
                yield waiting.pop(size)
        while waiting and is_full():
            yield waiting.pop(next(iter(waiting)))
    yield from waiting.values()


def in_lanes(
    executor: Executor, score: Callable[[list[Slot]], list[Slot]], batches: Iterable[list[Slot]], lanes: int
) -> Iterator[list[Slot]]:
    """The batches once they are scored, in order and each as soon as it is known.

    Args:
        executor: runs `score`.
        score: finishes the slots of a batch.
        batches: read no further than one batch more than there are lanes: none waits for work, and what is held is
            bounded.
        lanes: how many batches `executor` runs at once.
    """
    under_way: deque[Future[list[Slot]]] = deque()
    for batch in batches:
        under_way.append(executor.submit(score, batch))
        while under_way and (under_way[0].done() or len(under_way) > lanes):
            yield under_way.popleft().result()
    for future in under_way:
        yield future.result()


def in_order(batches: Iterable[list[Slot]]) -> Iterator[ImageScore]:
    """The results of finished slots, by their `place`."""
    results: dict[int, ImageScore] = {}
    due = 0
    for batch in batches:
        for slot in batch:
            if slot.result is None:
                raise RuntimeError("a batch was scored without finishing its slots")
            results[slot.place] = slot.result
        while due in results:
            yield results.pop(due)
            due += 1
