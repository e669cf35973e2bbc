"""Middleware that every request passes, with the token check and the metrics."""

import asyncio
import hmac
import logging
import re
import time
import traceback
from functools import partial
from pathlib import Path
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from linearityiqa.errors import ConfigError
from linearityiqa.serving.answers import Problem, busy, problem_response

logger = logging.getLogger(__name__)

MIN_TOKEN_LENGTH = 16

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-cache",
}
"""Added to every answer that does not set them itself."""
_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))
_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class Token:
    """The secret that clients of /v1 must send: the only line of a file that only its owner can read."""

    def __init__(self, path: Path) -> None:
        try:
            mode, token = path.stat().st_mode, path.read_bytes().strip()
        except OSError as cause:
            raise ConfigError(f"cannot read the token file {path}: {cause.strerror}. Check the path.") from cause
        if mode & 0o077:
            raise ConfigError(f"the token file {path} is open to others (mode {mode & 0o777:o}). Run: chmod 600 {path}")
        if not re.fullmatch(rb"[!-~]{%d,}" % MIN_TOKEN_LENGTH, token):
            raise ConfigError(
                f"the token file {path} must hold one line of at least {MIN_TOKEN_LENGTH} printable ASCII characters "
                f"without spaces. Make one with: openssl rand -hex 32 > {path}"
            )
        self._token = token

    def check(
        self, sent: Annotated[HTTPAuthorizationCredentials | None, Depends(HTTPBearer(auto_error=False))]
    ) -> None:
        """Refuse a request without the token (401)."""
        if sent is None or not hmac.compare_digest(sent.credentials.encode(), self._token):
            detail = "this service needs a token. Send the header Authorization: Bearer TOKEN."
            raise Problem(401, detail, headers={"WWW-Authenticate": "Bearer"})


def refuse_other_sites(request: Request) -> None:
    """Refuse what a page of another web site makes a visitor's browser send (403)."""
    if request.headers.get("sec-fetch-site") == "cross-site":
        raise Problem(403, "requests that another web site makes a browser send are refused.")


class Metrics:
    """Measures of one service for Prometheus, in their own registry."""

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


class Gate:
    """The outermost middleware: counts answers, adds `HEADERS`, and turns failures into problems."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        method = scope["method"]
        if method == "HEAD":  # the server leaves the body out
            scope = {**scope, "method": "GET"}
        status, problem = 0, None

        async def respond(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        started = time.monotonic()
        with self._metrics.in_flight.track_inprogress():
            try:
                await self._app(scope, receive, respond)
            except ClientDisconnect:
                pass
            except asyncio.CancelledError:
                problem = busy("the service stops")
            except Exception as failure:
                _log(failure)
                problem = Problem(500, "the service failed on this request; its log says where.")
            if problem is not None and status == 0:
                await problem_response(problem)(scope, receive, respond)
        path = getattr(scope.get("route"), "path", "other")
        self._metrics.requests.labels(path, method if method in _METHODS else "other", str(status)).inc()
        self._metrics.request_seconds.labels(path).observe(time.monotonic() - started)


def _log(failure: BaseException) -> None:
    """Log the place of a failure, but not its message, which may hold what was sent."""
    while isinstance(failure, BaseExceptionGroup):  # of the photographs of a request
        failure = failure.exceptions[0]
    where = (f"{place.filename}:{place.lineno}" for place in traceback.extract_tb(failure.__traceback__))
    logger.error("a request failed with %s at %s", type(failure).__name__, ", ".join(where))
