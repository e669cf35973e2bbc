"""Middleware that every request passes, with the token check and the metrics."""

import asyncio
import hashlib
import hmac
import logging
import os
import stat
import time
import traceback
from collections.abc import Collection
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from linearityiqa.errors import ConfigError
from linearityiqa.serving.answers import Problem, busy

logger = logging.getLogger(__name__)

MIN_TOKEN_LENGTH = 16
MAX_TOKEN_BYTES = 4096

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}
"""Of every answer that does not set them itself."""
_HEADERS = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]
ALWAYS_OPEN = ("/healthz", "/healthz/live", "/healthz/ready", "/metrics")
"""Paths that answer also while the service stops."""
_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))
_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class Token:
    """The secret that clients of /v1 must send: the only line of a file that nobody but its owner can read."""

    def __init__(self, path: Path) -> None:
        try:
            with path.open("rb") as stream:
                mode = stat.S_IMODE(os.fstat(stream.fileno()).st_mode)
                content = stream.read(MAX_TOKEN_BYTES + 1)
        except OSError as cause:
            raise ConfigError(f"cannot read the token file {path}: {cause.strerror}. Check the path.") from cause
        if mode & 0o077:
            raise ConfigError(f"the token file {path} is open to others (mode {mode:o}). Run: chmod 600 {path}")
        token = content.strip()
        if not MIN_TOKEN_LENGTH <= len(token) <= MAX_TOKEN_BYTES or not all(33 <= byte <= 126 for byte in token):
            raise ConfigError(
                f"the token file {path} must hold one line of at least {MIN_TOKEN_LENGTH} printable ASCII characters "
                f"without spaces. Make one with: openssl rand -hex 32 > {path}"
            )
        self._digest = hashlib.sha256(token).digest()

    def check(self, request: Request) -> None:
        """Refuse a request without the token (401)."""
        kind, _, sent = request.headers.get("authorization", "").partition(" ")
        # digests are compared, so that the time tells nothing of the token's length either
        digest = hashlib.sha256(sent.strip().encode("latin-1")).digest()
        if not hmac.compare_digest(digest, self._digest) or kind.lower() != "bearer":
            detail = "this service wants a token. Send the header Authorization: Bearer TOKEN."
            raise Problem(401, detail, headers={"WWW-Authenticate": "Bearer"})


def refuse_other_sites(request: Request) -> None:
    """Refuse what a page of another web site makes a visitor's browser send (403)."""
    if request.headers.get("sec-fetch-site") == "cross-site":
        raise Problem(403, "requests that another web site makes a browser send are refused.")


class Metrics:
    """The measures of one service, in a registry of their own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        count = partial(Counter, namespace="linearityiqa", registry=self._registry)
        gauge = partial(Gauge, namespace="linearityiqa", registry=self._registry)
        spread = partial(Histogram, namespace="linearityiqa", registry=self._registry)
        self.requests = count("requests", "Answers", ("path", "method", "status"))
        self.request_seconds = spread("request_seconds", "Time from headers to answer", ("path",), buckets=_SECONDS)
        self.in_flight = gauge("requests_in_flight", "Requests that are being answered")
        self.buffered = gauge("buffered_bytes", "Bytes of bodies that are held")
        self.photographs = count("photographs", "Photographs by outcome", ("outcome",))
        self.queue = gauge("queued_photographs", "Photographs that wait or are being scored")
        self.batch_size = spread("batch_photographs", "Photographs of a batch", buckets=(1, 2, 4, 8, 16, 32, 64))
        self.network_seconds = spread("network_seconds", "Time of a batch in the network", buckets=_SECONDS)
        ProcessCollector(registry=self._registry)

    def text(self) -> bytes:
        """Return all measures in Prometheus' text format."""
        return generate_latest(self._registry)


@dataclass
class Traffic:
    """Whether the service is about to stop, and what is under way."""

    draining: bool = False
    in_flight: int = 0


class Gate:
    """The outermost middleware; requests for other than the known `paths` are counted together."""

    def __init__(self, app: ASGIApp, metrics: Metrics, traffic: Traffic, paths: Collection[str]) -> None:
        self._app = app
        self._metrics = metrics
        self._traffic = traffic
        self._paths = frozenset(paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = scope["path"] if scope["path"] in self._paths else "other"
        method = scope["method"] if scope["method"] in _METHODS else "other"
        if method == "HEAD":  # the server leaves the body out
            scope = {**scope, "method": "GET"}
        answer = _Answer(send, closing=self._traffic.draining)
        started = time.monotonic()
        self._traffic.in_flight += 1
        try:
            await self._answer(scope, receive, answer)
        finally:
            self._traffic.in_flight -= 1
        self._metrics.requests.labels(path, method, str(answer.status)).inc()
        self._metrics.request_seconds.labels(path).observe(time.monotonic() - started)

    async def _answer(self, scope: Scope, receive: Receive, answer: "_Answer") -> None:
        try:
            if self._traffic.draining and scope["path"] not in ALWAYS_OPEN:
                raise busy("the service is about to stop")
            await self._app(scope, receive, answer.send)
        except Problem as problem:
            await problem.response()(scope, receive, answer.send)
        except ClientDisconnect:
            pass
        except asyncio.CancelledError:  # the service stops, and has waited long enough
            if answer.status == 0:
                await busy("the service stops").response()(scope, receive, answer.send)
        except Exception as caught:
            failure = caught
            while isinstance(failure, ExceptionGroup):  # of the photographs of a request
                failure = failure.exceptions[0]
            # where it failed, but not the message, which may hold what was sent
            where = (f"{place.filename}:{place.lineno}" for place in traceback.extract_tb(failure.__traceback__))
            logger.error("a request failed with %s at %s", type(failure).__name__, ", ".join(where))
            if answer.status == 0:
                excuse = Problem(500, "the service failed on this request; its log says where.")
                await excuse.response()(scope, receive, answer.send)


class _Answer:
    """Sends an answer with the headers that every answer has; its status is 0 before there is one."""

    def __init__(self, send: Send, *, closing: bool) -> None:
        self._send = send
        self._closing = closing
        self.status = 0

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            present = {name.lower() for name, _ in message["headers"]}
            missing = [header for header in _HEADERS if header[0] not in present]
            closing = [(b"connection", b"close")] if self._closing and b"connection" not in present else []
            message = {**message, "headers": [*message["headers"], *missing, *closing]}
        await self._send(message)
