"""The server around the application: where it listens, and how it stops.

What connections may do is the business of a proxy in front of it: deploy/nginx.conf, docs/serving.md.
"""

import ipaddress
import logging
import math
import socket
from types import FrameType

import uvicorn

from linearityiqa.config.serve import ServeConfig
from linearityiqa.errors import ConfigError
from linearityiqa.scoring import Scorer
from linearityiqa.serving.app import Service, create_app
from linearityiqa.serving.gate import Token

logger = logging.getLogger(__name__)


class Server(uvicorn.Server):
    """A server that a signal ends with status 0: it answers what is under way; the second signal cuts that short."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop; uvicorn's own would raise the signal once more at the end."""
        self.force_exit = self.should_exit
        self.should_exit = True


def serve(scorer: Scorer, config: ServeConfig) -> int:
    """Serve until a signal says to stop; return the exit status."""
    with listen(config.host, config.port) as listener:
        server = make_server(scorer, config)
        _announce(listener, config)
        server.run(sockets=[listener])
    return 0


def make_server(scorer: Scorer, config: ServeConfig) -> Server:
    """Return the server of a model, ready to run."""
    token = Token(config.token_file) if config.token_file else None
    settings = uvicorn.Config(
        create_app(Service(scorer, config), token),
        http="h11",
        limit_concurrency=config.limits.max_connections,
        ws="none",
        lifespan="on",
        log_config=None,
        log_level=logging.CRITICAL,  # lesser messages name addresses and paths
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=math.ceil(config.limits.drain_seconds),
    )
    return Server(settings)


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
