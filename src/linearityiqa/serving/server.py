"""The server around the application: where it listens, and how it stops.

What connections may do is the business of a proxy in front of it: deploy/nginx.conf, docs/serving.md.
"""

import ipaddress
import logging
import math
import os
import socket
import time
from types import FrameType

import uvicorn

from linearityiqa.config.serve import ServeConfig
from linearityiqa.errors import ConfigError
from linearityiqa.scoring import Scorer
from linearityiqa.serving.app import Service, create_app
from linearityiqa.serving.gate import Token, Traffic

logger = logging.getLogger(__name__)


class DrainingServer(uvicorn.Server):
    """A server that answers what is under way before it stops, and everything else with 503 meanwhile.

    A second signal ends it at once. `cut` counts the requests that were still under way when the time was over.
    """

    def __init__(self, config: uvicorn.Config, traffic: Traffic, drain_seconds: float) -> None:
        super().__init__(config)
        self._traffic = traffic
        self._drain_seconds = drain_seconds
        self._until = math.inf
        self.cut = 0

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to drain at the first signal, and end at once at the second."""
        if self._traffic.draining:
            self._until = -math.inf
            self.config.timeout_graceful_shutdown = 0
        else:
            self._until = time.monotonic() + self._drain_seconds
            self._traffic.draining = True

    async def on_tick(self, counter: int) -> bool:
        """Return, ten times a second, whether to stop now."""
        if await super().on_tick(counter):
            return True
        done = self._traffic.draining and (self._traffic.in_flight == 0 or time.monotonic() > self._until)
        self.cut = self._traffic.in_flight if done else 0
        return done


def serve(scorer: Scorer, config: ServeConfig) -> int:
    """Serve until a signal says to stop; end the process with status 1 where draining took too long."""
    with listen(config.host, config.port) as listener:
        server = make_server(scorer, config)
        _announce(listener, config)
        server.run(sockets=[listener])
    if server.cut:
        logger.warning("stopped with %d request(s) under way", server.cut)
        os._exit(1)  # the network cannot be stopped, and Python would wait for it
    return 0


def make_server(scorer: Scorer, config: ServeConfig) -> DrainingServer:
    """Return the server of a model, ready to run."""
    token = Token(config.token_file) if config.token_file else None
    service = Service(scorer, config)
    settings = uvicorn.Config(
        create_app(service, token),
        http="h11",
        limit_concurrency=config.limits.max_connections,
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
    """Return a socket that takes connections."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as cause:
        raise ConfigError(f"cannot listen on {host}, port {port}: {cause.strerror}. Choose another --port.") from cause


def _announce(listener: socket.socket, config: ServeConfig) -> None:
    for option, value in (("header_seconds", config.limits.header_seconds), ("batch_wait_ms", config.batch_wait_ms)):
        if value is not None:
            logger.warning("--%s does nothing any more, and the next version will not take it", option)
    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    logger.info("serving at http://%s:%d/ (the interface is described at /docs); stop with Ctrl-C", shown, port)
    if not ipaddress.ip_address(host).is_loopback:
        everyone = "" if config.token_file else "; everyone who reaches it can use the service (--token_file)"
        logger.warning("this address is open to other machines%s: let a proxy face them (docs/serving.md)", everyone)
