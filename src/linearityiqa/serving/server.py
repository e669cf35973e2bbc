"""The server around the application: where it listens, and how it stops."""

import asyncio
import functools
import ipaddress
import logging
import math
import socket
import time
from types import FrameType
from typing import cast

import uvicorn

from linearityiqa.config.serve import ServeConfig
from linearityiqa.errors import ConfigError
from linearityiqa.scoring import Scorer
from linearityiqa.serving.app import create_app
from linearityiqa.serving.connections import BoundedProtocol
from linearityiqa.serving.gate import Token, Traffic
from linearityiqa.serving.service import Service

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
