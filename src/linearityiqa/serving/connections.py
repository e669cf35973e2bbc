"""Connections that are slow, idle, too many or damaged: bounded in time, and answered where that is possible.

uvicorn alone waits for headers without end. Hypercorn 0.18 and Granian 2.8 do not, but close the connection without an
answer, and neither bounds the number of connections.
"""

import asyncio
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, cast

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from linearityiqa.config.serve import LimitsConfig
from linearityiqa.serving.gate import HEADERS
from linearityiqa.serving.problems import Problem, busy, malformed

LINGER_SECONDS = 5.0
"""How long the rest of a refused body is read and dropped: cut earlier, the connection would lose the answer."""


class BoundedProtocol(H11Protocol):
    """One connection, on which headers must arrive in time, and which nobody holds open by sending no end.

    uvicorn itself waits for ever for the headers of a first request, and for the rest of a body that is refused.
    """

    def __init__(self, *args: Any, limits: LimitsConfig, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._limits = limits
        self._timer: asyncio.TimerHandle | None = None
        self._lingering = False
        self._refused = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for headers, unless there are too many connections."""
        super().connection_made(transport)
        self._socket = transport
        self.transport = cast(asyncio.Transport, _PatientTransport(transport, self._close))
        if len(self.connections) > self._limits.max_connections:
            self._refuse(busy("there are as many connections as may be"))
        else:
            self._arm(self._limits.header_seconds, self._end_waiting)

    def data_received(self, data: bytes) -> None:
        """Take bytes; the time for headers runs from the first of them to the last."""
        if self._refused:
            return
        super().data_received(data)
        if self._refused or self.transport.is_closing():
            return
        if self.cycle is not None and not self.cycle.response_complete:
            self._disarm()
        elif self.conn.their_state is h11.IDLE and (self._timer is None or self._lingering):
            self._lingering = False
            self._arm(self._limits.header_seconds, self._end_waiting)

    def on_response_complete(self) -> None:
        """Go on with the next request, but do not wait long for the rest of this one."""
        super().on_response_complete()
        if self.conn.their_state is h11.SEND_BODY:
            self._lingering = True
            self._arm(LINGER_SECONDS, self._cut)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._disarm()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        """Answer what is not HTTP."""
        self._refuse(malformed("the request is not HTTP/1.1 as it should be"))

    def _arm(self, seconds: float, then: Callable[[], None]) -> None:
        self._disarm()
        self._timer = self.loop.call_later(seconds, then)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _end_waiting(self) -> None:
        if self.conn.trailing_data[0]:
            seconds = self._limits.header_seconds
            self._refuse(Problem(408, f"the headers of the request did not arrive within {seconds:g} s."))
        else:
            self.transport.close()

    def _refuse(self, problem: Problem) -> None:
        """Answer in place of the application, where that is still possible, and close the connection."""
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE) and not self._refused:
            self.transport.write(_raw(problem))
            self._linger()
        else:
            self._socket.close()

    def _close(self) -> None:
        """Close the connection, but not under the hands of a client that still sends: it would lose the answer."""
        if self.conn.their_state is h11.SEND_BODY and not self._refused:
            self._linger()
        else:
            self._socket.close()

    def _linger(self) -> None:
        """Send the end of the answer, and drop what still comes, for some seconds."""
        self._refused = True
        if self.cycle is not None and not self.cycle.response_complete:  # the application need not go on
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self._socket.write_eof()
        self._socket.resume_reading()
        self._arm(LINGER_SECONDS, self._cut)

    def _cut(self) -> None:
        self._socket.abort()


class _PatientTransport:
    """A transport whose `close` is another."""

    def __init__(self, transport: asyncio.Transport, close: Callable[[], None]) -> None:
        self._transport = transport
        self.close = close

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


def _raw(problem: Problem) -> bytes:
    """An answer as it goes over the wire."""
    response = problem.response()
    own = {name.decode(): value.decode() for name, value in response.raw_headers}
    headers = {name.lower(): value for name, value in HEADERS.items()} | own | {"connection": "close"}
    lines = [f"HTTP/1.1 {problem.status} {HTTPStatus(problem.status).phrase}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + bytes(response.body)
