"""Lines for people, in which no text of a user controls the terminal; and progress on standard error.

Progress is a bar on a terminal, else a line at least every minute. Results never go there.
"""

import contextlib
import logging
import sys
import threading
import time
import unicodedata
from collections.abc import Callable, Generator, Iterable, Iterator, Sized
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TextIO, TypeVar

if TYPE_CHECKING:
    from rich.console import Console

logger = logging.getLogger(__name__)

T = TypeVar("T")

SECONDS_BETWEEN_LINES = 30.0

_meters: list["Meter"] = []
"""The work under way, the innermost last: that is what a line speaks of."""


def printable(text: str) -> str:
    r"""Escape control characters, line breaks and what else is not printable; the spaces of any script stay.

    >>> print(printable("a\x1b[2J\nb\u202ec, 5\u202fpm"))
    a\x1b[2J\nb\u202ec, 5\u202fpm
    """
    return "".join(
        c if c.isprintable() or unicodedata.category(c) == "Zs" else c.encode("unicode_escape").decode() for c in text
    )


def say(*lines: object, file: TextIO | None = None) -> None:
    """Print lines for people, each made `printable`: names and records of others forge no line and set no colour.

    Args:
        lines: what is printed, each on a line of its own.
        file: a stream; by default standard output.
    """
    print(*(printable(str(line)) for line in lines), sep="\n", file=file, flush=True)


@dataclass(eq=False)
class Meter:
    """Progress of a piece of work, which `description` names in a few words."""

    description: str
    total: int | None = None
    """Number of its items, where it has any and their number is known."""
    unit: str = ""
    """Name of an item, e.g. batch."""
    note: Callable[[], str] | None = None
    """Gives the state of the moment, e.g. the loss."""
    afterwards: Callable[[float], float] | None = None
    """Gives the seconds of work that follow these items, from the seconds an item takes."""
    visible: bool = False
    """Whether a bar shows it."""
    done: int = 0
    images: int = 0
    start: float = field(default_factory=lambda: time.monotonic())

    def advance(self, images: int = 0) -> None:
        """Count one more item, with so many images."""
        self.done += 1
        self.images += images

    def details(self) -> str:
        """The note, and images a second, as far as they are known."""
        seconds = max(time.monotonic() - self.start, 1e-9)
        rate = f"{self.images / seconds:.1f} images/s" if self.images else ""
        return ", ".join(filter(None, (self.note() if self.note else "", rate)))

    def line(self) -> str:
        """The progress as a sentence."""
        seconds = time.monotonic() - self.start
        if self.total is None:
            return f"{self.description}: {format_duration(seconds)} so far"
        left = ""
        if self.done:
            each = seconds / self.done
            remaining = each * (self.total - self.done)
            later = self.afterwards(each) if self.afterwards else 0.0
            left = f"{format_duration(remaining)} left" + (
                f" ({format_duration(remaining + later)} in all)" if later else ""
            )
        place = f"{self.unit} {self.done} of {self.total}".lstrip()
        return f"{self.description}: " + ", ".join(filter(None, (place, self.details(), left)))


def format_duration(seconds: float) -> str:
    """A length of time in two units at most.

    >>> format_duration(59), format_duration(95), format_duration(3 * 3600 + 20 * 60), format_duration(26 * 3600)
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
    """Log a line every half minute of a block: on the work tracked inside it, or else `description`."""
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
        images: number of images of an item.
        unit, note, afterwards: as of `Meter`.
    """
    if not enabled:
        yield from items
        return
    count = len(items) if total is None and isinstance(items, Sized) else total
    console = _terminal() if bar else None
    meter = Meter(description, count, unit, note, afterwards, visible=console is not None)
    with _going_on(meter), _bar(meter, console) if console else contextlib.nullcontext(lambda: None) as refresh:
        for item in items:
            yield item
            meter.advance(images(item) if images else 0)
            refresh()


def _terminal() -> "Console | None":
    """The terminal that standard error is, where it can show a bar."""
    if sys.stderr is None or not sys.stderr.isatty():
        return None
    from rich.console import Console

    console = Console(stderr=True)
    return None if console.is_dumb_terminal else console


@contextlib.contextmanager
def _bar(meter: Meter, console: "Console") -> Iterator[Callable[[], None]]:
    """Show a bar during the block; what it gives redraws it."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[details]}", markup=False),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(printable(meter.description), total=meter.total, details="")
        yield lambda: progress.update(task, completed=meter.done, details=meter.details())


@contextlib.contextmanager
def _going_on(meter: Meter) -> Iterator[None]:
    """Have the lines speak of `meter` while the block lasts; the outermost block starts and ends the lines."""
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
