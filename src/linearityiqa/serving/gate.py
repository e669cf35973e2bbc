"""What every request passes: counted, refused while the service stops, answered whatever goes wrong inside."""

import asyncio
import logging
import time
import traceback
from collections.abc import Collection
from dataclasses import dataclass

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from linearityiqa.serving.metrics import Metrics
from linearityiqa.serving.problems import Problem, busy
from linearityiqa.serving.security import HEADERS

logger = logging.getLogger(__name__)

ALWAYS_OPEN = ("/healthz", "/healthz/live", "/healthz/ready", "/metrics")
"""Paths that answer also while the service stops."""


@dataclass
class Traffic:
    """Whether the service is about to stop, and what is under way.

    Attributes:
        draining: new requests are refused.
        in_flight: requests that are being answered.
    """

    draining: bool = False
    in_flight: int = 0


class Gate:
    """An ASGI middleware, the outermost.

    Args:
        app: what answers.
        metrics: where requests are counted.
        traffic: what is under way.
        paths: the paths that exist; others are counted together.
    """

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
        answer = _Answer(send, closing=self._traffic.draining)
        started = time.monotonic()
        self._traffic.in_flight += 1
        try:
            await self._answer(scope, receive, answer)
        finally:
            self._traffic.in_flight -= 1
        method = scope["method"] if scope["method"] in _METHODS else "other"
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
            where = "".join(traceback.format_tb(failure.__traceback__))
            logger.error("a request failed with %s:\n%s", type(failure).__name__, where)
            if answer.status == 0:
                excuse = Problem(500, "the service failed on this request; its log says where.")
                await excuse.response()(scope, receive, answer.send)


class _Answer:
    """Sends an answer with the headers that every answer has.

    Attributes:
        status: the HTTP status, 0 before there is one.
    """

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


_HEADERS = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]
_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))
