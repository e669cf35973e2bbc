"""Progress on standard error: a bar on a terminal, else a line at least every minute. Results never go there."""

import contextlib
import logging
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sized
from typing import TypeVar

logger = logging.getLogger(__name__)

T = TypeVar("T")

SECONDS_BETWEEN_LINES = 30.0

_meters: list["Meter"] = []
"""What is going on, the innermost last: that is what a line speaks of."""


class Meter:
    """How far a piece of work is.

    Args:
        description: what is done, in a few words.
        total: number of its items, None where it is not known or there are none.
        unit: what an item is called, e.g. batch.
        note: what else there is to say of the moment.
        afterwards: seconds of work that follow these items, given the seconds an item takes.
        visible: whether a bar shows it.
    """

    def __init__(
        self,
        description: str,
        total: int | None = None,
        unit: str = "",
        note: Callable[[], str] | None = None,
        afterwards: Callable[[float], float] | None = None,
        *,
        visible: bool = False,
    ) -> None:
        self.description, self.total, self.unit, self.visible = description, total, unit, visible
        self.done = self.images = 0
        self._note, self._afterwards = note, afterwards
        self._start = time.monotonic()

    def advance(self, images: int = 0) -> None:
        """One more item is done, with so many images."""
        self.done += 1
        self.images += images

    def details(self) -> str:
        """What is noted of the moment, and images a second, as far as they are known."""
        seconds = max(time.monotonic() - self._start, 1e-9)
        rate = f"{self.images / seconds:.1f} images/s" if self.images else ""
        return ", ".join(filter(None, (self._note() if self._note else "", rate)))

    def line(self) -> str:
        """How far it is, as a sentence."""
        seconds = time.monotonic() - self._start
        if self.total is None:
            return f"{self.description}: {in_words(seconds)} so far"
        place = f"{self.unit} {self.done} of {self.total}".lstrip()
        left = ""
        if self.done:
            each = seconds / self.done
            left = f"{in_words(each * (self.total - self.done))} left"
            later = self._afterwards(each) if self._afterwards else 0.0
            left += f" ({in_words(each * (self.total - self.done) + later)} in all)" if later else ""
        return f"{self.description}: " + ", ".join(filter(None, (place, self.details(), left)))


def in_words(seconds: float) -> str:
    """A length of time in two units at most.

    >>> in_words(59), in_words(95), in_words(3 * 3600 + 20 * 60), in_words(26 * 3600)
    ('59 s', '2 min', '3 h 20 min', '1 d 2 h')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours < 24 else f"{hours // 24} d {hours % 24} h"


@contextlib.contextmanager
def working(description: str) -> Iterator[None]:
    """Break the silence of a block: a line every half minute says what is going on inside, or else `description`."""
    with _going_on(Meter(description)):
        yield


def track(
    items: Iterable[T],
    description: str,
    total: int | None = None,
    *,
    enabled: bool = True,
    bar: bool = True,
    unit: str = "",
    images: Callable[[T], int] | None = None,
    note: Callable[[], str] | None = None,
    afterwards: Callable[[float], float] | None = None,
) -> Generator[T, None, None]:
    """Yield `items`, and tell on standard error how far they are.

    Args:
        items: what is iterated.
        description: what is done with them, in a few words.
        total: number of items, where it is not `len(items)`.
        enabled: without it, just the items.
        bar: show a bar where standard error is a terminal; without it, and elsewhere, a line every half minute.
        unit: what an item is called, e.g. batch.
        images: number of images of an item.
        note: what else there is to say of the moment.
        afterwards: seconds of work that follow, given the seconds an item takes.
    """
    if not enabled:
        yield from items
        return
    count = len(items) if total is None and isinstance(items, Sized) else total
    shown = bar and _is_terminal()
    meter = Meter(description, count, unit, note, afterwards, visible=shown)
    with _going_on(meter), _bar(meter) if shown else contextlib.nullcontext(_nothing) as refresh:
        for item in items:
            yield item
            meter.advance(images(item) if images else 0)
            refresh()


def _nothing() -> None: ...


def _is_terminal() -> bool:
    if sys.stderr is None or not sys.stderr.isatty():
        return False
    from rich.console import Console

    return not Console(stderr=True).is_dumb_terminal


@contextlib.contextmanager
def _bar(meter: Meter) -> Iterator[Callable[[], None]]:
    """A bar for the block; what it gives redraws it."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[details]}"),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(meter.description, total=meter.total, details="")
        yield lambda: progress.update(task, completed=meter.done, details=meter.details())


@contextlib.contextmanager
def _going_on(meter: Meter) -> Iterator[None]:
    """Have the lines speak of `meter` while the block lasts; the outermost block sees to the lines."""
    over, outermost = threading.Event(), not _meters
    _meters.append(meter)

    def speak() -> None:
        while not over.wait(SECONDS_BETWEEN_LINES):
            innermost = _meters[-1:]
            if innermost and not innermost[0].visible:
                logger.info("%s", innermost[0].line())

    speaker = threading.Thread(target=speak, name="progress", daemon=True) if outermost else None
    if speaker is not None:
        speaker.start()
    try:
        yield
    finally:
        over.set()
        _meters.remove(meter)
        if speaker is not None and speaker is not threading.current_thread():
            speaker.join()
