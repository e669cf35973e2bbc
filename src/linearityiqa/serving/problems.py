"""Failures as problem details (RFC 9457): what a client did wrong, or what the service cannot do now, as JSON."""

import math
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from starlette.responses import JSONResponse

MEDIA_TYPE = "application/problem+json"
"""What every answer that is not a success has as its content type."""


class Problem(Exception):  # noqa: N818 - the name that the standard gives it
    """An answer that is not a success.

    Args:
        status: HTTP status; its phrase is the title.
        detail: one sentence on this occurrence, and its remedy.
        headers: of the answer.
        members: further members of the JSON object.
    """

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        members: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = dict(headers or {})
        self.members = dict(members or {})

    def response(self) -> JSONResponse:
        """The answer."""
        title = HTTPStatus(self.status).phrase
        content = {"type": "about:blank", "title": title, "status": self.status, "detail": self.detail, **self.members}
        return JSONResponse(content, self.status, self.headers, MEDIA_TYPE)


def too_large(detail: str) -> Problem:
    """413: more bytes, files or pixels than are allowed."""
    return Problem(413, detail)


def malformed(detail: str) -> Problem:
    """400: a body that is not what its headers say."""
    return Problem(400, detail)


def too_slow(seconds: float) -> Problem:
    """408: a body that did not arrive in time; what is left of it is not waited for."""
    detail = f"the body did not arrive within {seconds:g} s. Send fewer or smaller photographs at once."
    return Problem(408, detail, headers={"Connection": "close"})


def busy(detail: str, retry_seconds: float = 1) -> Problem:
    """503: a request that would be served later.

    Args:
        detail: what there is too much of.
        retry_seconds: when to try again; rounded up to whole seconds between 1 and 60.
    """
    wait = min(60, max(1, math.ceil(retry_seconds)))
    return Problem(503, f"{detail}. Try again in {wait} s.", headers={"Retry-After": str(wait)})
