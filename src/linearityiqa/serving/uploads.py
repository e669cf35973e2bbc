"""The photographs in the body of a request: bounded in bytes, files and time, held in memory, never on disk."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from typing import NamedTuple

from starlette.requests import Request

from linearityiqa.config.serve import LimitsConfig
from linearityiqa.serving.multipart import MultipartFiles, printable_name
from linearityiqa.serving.problems import Problem, busy, too_large, too_slow


class Upload(NamedTuple):
    """One photograph as it was sent."""

    name: str
    content: bytes


class Buffer:
    """Counts the bytes of bodies that are held at once, over all requests.

    Args:
        capacity: most bytes.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self.held = 0

    @contextlib.contextmanager
    def lease(self) -> Iterator["Lease"]:
        """A share that grows with a body and is given back at the end of the block."""
        lease = Lease(self)
        try:
            yield lease
        finally:
            self.held -= lease.held

    def take(self, count: int) -> None:
        """Count `count` more bytes.

        Raises:
            Problem: 503 where that is more than the capacity.
        """
        if self.held + count > self._capacity:
            raise busy("the service holds as many uploads as it may")
        self.held += count


class Lease:
    """What one request holds of a `Buffer`."""

    def __init__(self, buffer: Buffer) -> None:
        self._buffer = buffer
        self.held = 0

    def grow(self, count: int) -> None:
        """Hold `count` more bytes.

        Raises:
            Problem: 503 where the buffer is full.
        """
        self._buffer.take(count)
        self.held += count


async def read_uploads(request: Request, lease: Lease, limits: LimitsConfig) -> list[Upload]:
    """The photographs of a request, in their order: files of a form, or the body itself.

    Raises:
        Problem: 400, 408, 413, 415, 422 or 503, whatever is wrong.
        starlette.requests.ClientDisconnect: the client has gone.
    """
    media_type, boundary = _content_type(request)
    form = None if boundary is None else MultipartFiles(boundary, limits.max_files)
    body = bytearray()
    async with _deadline(limits.body_seconds):
        async for chunk in _bounded(request, limits):
            lease.grow(len(chunk))
            if form is None:
                body += chunk
            else:
                form.feed(chunk)
    if form is not None:
        return [Upload(name, content) for name, content in form.finish()]
    if not body:
        raise Problem(
            422, f"the body is empty. Send one photograph as {media_type}, or several as multipart/form-data."
        )
    return [Upload(printable_name(request.query_params.get("name", "")) or "photograph", bytes(body))]


def _content_type(request: Request) -> tuple[str, bytes | None]:
    """(media type, boundary of a form); an image of any kind, and bytes without a type, are taken as they are."""
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise Problem(415, "compressed bodies are not accepted. Send the photographs without Content-Encoding.")
    header = request.headers.get("content-type", "application/octet-stream")
    media_type = header.partition(";")[0].strip().lower()
    if media_type == "multipart/form-data":
        return media_type, MultipartFiles.boundary_of(header)
    if media_type == "application/octet-stream" or media_type.startswith("image/"):
        return media_type, None
    detail = "the content type is not accepted. Send multipart/form-data, image/* or application/octet-stream."
    raise Problem(415, detail, headers={"Accept-Post": "multipart/form-data, image/*, application/octet-stream"})


async def _bounded(request: Request, limits: LimitsConfig) -> AsyncIterator[bytes]:
    """The chunks of the body, until there are too many bytes."""
    refusal = too_large(
        f"the body has more than the {limits.max_body_mb:g} MB allowed. Send fewer or smaller photographs at once."
    )
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > limits.max_body_bytes:
        raise refusal
    received = 0
    async for chunk in request.stream():
        received += len(chunk)
        if received > limits.max_body_bytes:
            raise refusal
        yield chunk


@contextlib.asynccontextmanager
async def _deadline(seconds: float) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as cause:
        raise too_slow(seconds) from cause
