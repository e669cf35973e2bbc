"""The server around the application: where it listens, how it stops, and what its connections may do.

uvicorn alone waits for headers without end. Hypercorn 0.18 and Granian 2.8 do not, but close the connection without an
answer, and neither bounds the number of connections.
"""

import asyncio
import functools
import ipaddress
import logging
import math
import socket
import time
from collections.abc import Callable
from http import HTTPStatus
from types import FrameType
from typing import Any, cast

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from linearityiqa.config.serve import LimitsConfig, ServeConfig
from linearityiqa.errors import ConfigError
from linearityiqa.scoring import Scorer
from linearityiqa.serving.answers import Problem, busy
from linearityiqa.serving.app import Service, create_app
from linearityiqa.serving.gate import HEADERS, Token, Traffic

logger = logging.getLogger(__name__)


class DrainingServer(uvicorn.Server):
    """A server that answers what is under way before it stops, and everything else with 503 meanwhile.

    A second signal ends it at once.

    Args:
        config: of uvicorn.
        traffic: what is under way.
        drain_seconds: how long that may take.

    Attributes:
        cut: requests that were still under way when the time was over.
    """

    def __init__(self, config: uvicorn.Config, traffic: Traffic, drain_seconds: float) -> None:
        super().__init__(config)
        self._traffic = traffic
        self._drain_seconds = drain_seconds
        self._until = math.inf
        self.cut = 0

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A signal: begin to drain, or stop draining."""
        self._until = -math.inf if self._traffic.draining else time.monotonic() + self._drain_seconds
        self._traffic.draining = True

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second: whether to stop now."""
        if await super().on_tick(counter):
            return True
        done = self._traffic.draining and (self._traffic.in_flight == 0 or time.monotonic() > self._until)
        self.cut = self._traffic.in_flight if done else 0
        return done


def serve(scorer: Scorer, config: ServeConfig) -> int:
    """Serve until a signal says to stop.

    Returns:
        Exit status: 0, or 1 where requests were still under way after `drain_seconds`.

    Raises:
        ConfigError: the address cannot be listened on, or the token file cannot be used.
        MissingExtraError: a package of the extra is not installed.
    """
    with listen(config.host, config.port) as listener:
        server = make_server(scorer, config)
        _announce(listener, config)
        server.run(sockets=[listener])
    if server.cut:
        logger.warning("stopped with %d request(s) under way", server.cut)
    return 1 if server.cut else 0


def make_server(scorer: Scorer, config: ServeConfig) -> DrainingServer:
    """The server of a model, ready to run.

    Raises:
        ConfigError: the token file cannot be used.
        MissingExtraError: a package of the extra is not installed.
    """
    token = Token(config.token_file) if config.token_file else None
    service = Service(scorer, config)
    protocol = functools.partial(BoundedProtocol, limits=config.limits)
    settings = uvicorn.Config(
        create_app(service, token),
        http=cast(type[asyncio.Protocol], protocol),
        ws="none",
        lifespan="on",
        log_config=None,
        log_level=logging.CRITICAL,  # lesser messages name addresses and paths
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=2,  # for connections; requests have had theirs
    )
    return DrainingServer(settings, service.traffic, config.limits.drain_seconds)


def listen(host: str, port: int) -> socket.socket:
    """A socket that takes connections.

    Raises:
        ConfigError: the address is not this machine's, or taken.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as cause:
        raise ConfigError(f"cannot listen on {host}, port {port}: {cause.strerror}. Choose another --port.") from cause


def _announce(listener: socket.socket, config: ServeConfig) -> None:
    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    logger.info("serving at http://%s:%d/ (the interface is described at /docs); stop with Ctrl-C", shown, port)
    if config.token_file is None and not ipaddress.ip_address(host).is_loopback:
        logger.warning("everyone who reaches this address can use the service; --token_file asks for a token")


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
        self._refuse(Problem(400, "the request is not HTTP/1.1 as it should be"))

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
