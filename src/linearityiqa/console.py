"""Lines for people, in which no text of a user controls the terminal; and progress on standard error.

Progress is a bar on a terminal, else a line every half minute. Results never go there.
"""

import contextlib
import logging
import sys
import time
import unicodedata
from collections.abc import Callable, Generator, Iterable, Iterator, Sized
from typing import TextIO, TypeVar

logger = logging.getLogger(__name__)

T = TypeVar("T")

SECONDS_BETWEEN_LINES = 30.0


def printable(text: str) -> str:
    r"""Escape control characters, line breaks and what else is not printable; the spaces of any script stay.

    >>> print(printable("a\x1b[2J\nb\u202ec, 5\u202fpm"))
    a\x1b[2J\nb\u202ec, 5\u202fpm
    """
    return "".join(
        c if c.isprintable() or unicodedata.category(c) == "Zs" else c.encode("unicode_escape").decode() for c in text
    )


def say(*lines: object, file: TextIO | None = None) -> None:
    """Print lines, on standard output by default, each made `printable`: names and records of others forge no line."""
    print(*(printable(str(line)) for line in lines), sep="\n", file=file, flush=True)


def format_duration(seconds: float) -> str:
    """Return a length of time in two units at most.

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
    """Yield `items`, and report progress on standard error.

    Args:
        items: what is iterated.
        description: what is done with them, in a few words.
        total: number of items, where it is not `len(items)`.
        enabled: without it, just the items.
        bar: show a bar where standard error is a terminal; without it, and elsewhere, a line every half minute.
        unit: name of an item, e.g. batch.
        images: number of images of an item.
        note: gives the state of the moment, e.g. the loss.
        afterwards: gives the seconds of work that follow all items, from the seconds that an item takes.
    """
    if not enabled:
        yield from items
        return
    count = len(items) if total is None and isinstance(items, Sized) else total
    done = seen = 0
    start = last_line = time.monotonic()
    with _bar(description, count) if bar else contextlib.nullcontext(None) as show:
        for item in items:
            yield item
            done += 1
            seen += images(item) if images else 0
            now = time.monotonic()
            seconds = max(now - start, 1e-9)
            rate = f"{seen / seconds:.1f} images/s" if seen else ""
            details = ", ".join(filter(None, (note() if note else "", rate)))
            if show is not None:
                show(done, details)
            elif now - last_line >= SECONDS_BETWEEN_LINES:
                last_line = now
                place = f"{unit} {done}".lstrip() + f" of {count}" * (count is not None)
                left = _time_left(seconds / done, count - done, afterwards) if count else ""
                logger.info("%s: %s", description, ", ".join(filter(None, (place, details, left))))


def _time_left(each: float, items: int, afterwards: Callable[[float], float] | None) -> str:
    later = afterwards(each) if afterwards else 0.0
    in_all = f" ({format_duration(each * items + later)} in all)" if later else ""
    return f"{format_duration(each * items)} left{in_all}"


@contextlib.contextmanager
def _bar(description: str, total: int | None) -> Iterator[Callable[[int, str], None] | None]:
    """Show a bar where standard error is a terminal; yield a function that redraws it, or None."""
    if sys.stderr is None or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    if console.is_dumb_terminal:
        yield None
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[details]}", markup=False),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(printable(description), total=total, details="")
        yield lambda done, details: progress.update(task, completed=done, details=details)
