"""Requests to stop: signals are noted, and answered where the state can be saved."""

import contextlib
import signal
import types
from collections.abc import Callable, Iterator
from typing import Any

from linearityiqa.errors import Interrupted

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopRequest:
    """Notes SIGINT and SIGTERM inside its `with` block, in the main thread only; a second one has its usual effect."""

    def __init__(self) -> None:
        self.signal_number: int | None = None
        self._message = ""
        self._previous: dict[int, Callable[..., Any] | int | None] = {}

    def __enter__(self) -> "StopRequest":
        try:
            for number in SIGNALS:
                self._previous[number] = signal.signal(number, self._note)
        except ValueError:  # not the main thread
            self._previous.clear()
        return self

    def __exit__(self, *exception: object) -> None:
        self._restore()

    def raise_if_requested(self, message: str) -> None:
        """Raise `Interrupted` with `message` if a signal has come."""
        if self.signal_number is not None:
            raise Interrupted(message, self.signal_number)

    @contextlib.contextmanager
    def at_once(self, message: str) -> Iterator[None]:
        """Raise `Interrupted` as soon as a signal comes in the block: for work that can be resumed from anywhere."""
        self.raise_if_requested(message)
        self._message = message
        try:
            yield
        finally:
            self._message = ""
            self.raise_if_requested(message)  # if what the handler raised was dropped, or taken for another failure

    def _note(self, number: int, frame: types.FrameType | None) -> None:
        self.signal_number = number
        self._restore()
        if self._message:
            raise Interrupted(self._message, number)

    def _restore(self) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous.clear()
