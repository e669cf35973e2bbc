"""The photographs in the body of a request: bounded in bytes, files and time, held in memory, never on disk."""

import asyncio
import contextlib
import logging
import re
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from typing import NamedTuple

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header
from starlette.datastructures import Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from linearityiqa.config.serve import LimitsConfig
from linearityiqa.serving.answers import Problem, busy

MAX_NAME_LENGTH = 255
"""Longer file names are cut."""

# it quotes bytes of what it cannot parse
logging.getLogger("python_multipart").setLevel(logging.CRITICAL)


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
    def lease(self) -> Iterator[Callable[[int], None]]:
        """Yield a function that counts so many more bytes of a body; they are given back at the end of the block.

        Raises:
            Problem: 503, by what is given, where the buffer is full.
        """
        mine = 0

        def hold(count: int) -> None:
            nonlocal mine
            if self.held + count > self._capacity:
                raise busy("the service holds as many uploads as it may")
            self.held += count
            mine += count

        try:
            yield hold
        finally:
            self.held -= mine


async def read_uploads(request: Request, hold: Callable[[int], None], limits: LimitsConfig) -> list[Upload]:
    """The photographs of a request, in their order: files of a form, or the body itself.

    Args:
        request: what was sent.
        hold: counts the bytes that are held, or refuses them (`Buffer.lease`).
        limits: of bytes, files and time.

    Raises:
        Problem: 400, 408, 413, 415, 422 or 503, whatever is wrong.
        starlette.requests.ClientDisconnect: the client has gone.
    """
    media_type = _media_type(request)
    async with _deadline(limits.body_seconds), contextlib.aclosing(_bounded(request, hold, limits)) as chunks:
        if media_type == "multipart/form-data":
            return await read_form(request.headers["content-type"], chunks, limits.max_files)
        body = bytearray()  # a list of chunks would take far more, of a body that comes byte by byte
        async for chunk in chunks:
            body += chunk
    if not body:
        raise Problem(
            422, f"the body is empty. Send one photograph as {media_type}, or several as multipart/form-data."
        )
    return [Upload(printable_name(request.query_params.get("name", "")) or "photograph", bytes(body))]


async def read_form(content_type: str, chunks: AsyncGenerator[bytes, None], max_files: int) -> list[Upload]:
    """The files of a form, in their order, from the chunks of its body.

    Raises:
        Problem: 400, 413 or 422: not a form, too many files, none, or a field that is not a file.
    """
    boundary = parse_options_header(content_type)[1].get(b"boundary", b"").decode("latin-1")
    if not re.fullmatch(r"[\w'()+,./:=? -]{1,70}", boundary, re.ASCII):  # RFC 2046
        raise Problem(400, "the content type multipart/form-data names no boundary. Let your HTTP library set it.")
    # no charset reaches the parser: Python remembers every one that was ever looked up
    headers = Headers({"content-type": f'multipart/form-data; boundary="{boundary}"'})
    form = _FormOfFiles(headers, chunks, max_files=max_files, max_part_size=sys.maxsize)
    try:
        await form.parse()
    except (MultiPartException, FormParserError) as cause:  # may quote the body; the second, of old Starlettes
        raise Problem(400, "the body is not a form as multipart/form-data prescribes it. Send it again.") from cause
    if not form.complete:
        raise Problem(400, "the form ends before its last boundary. Send it again.")
    if not form.items:
        raise Problem(422, "the form holds no file. Attach one or several photographs as files.")
    uploads: list[Upload] = []
    for _, file in form.items:
        if isinstance(file, UploadFile):
            name = printable_name(file.filename or "") or f"photograph {len(uploads) + 1}"
            uploads.append(Upload(name, await file.read()))
            await file.close()
    return uploads


class _FormOfFiles(MultiPartParser):
    """Starlette's parser for a form of files and nothing else, whose whole content stays in memory."""

    spool_max_size = sys.maxsize  # nothing goes to the disk; what bounds the body bounds this
    complete = False

    def on_part_begin(self) -> None:
        if len(self.items) == self.max_files:
            raise Problem(413, f"the form holds more than the {self.max_files} files allowed. Send fewer at once.")
        super().on_part_begin()

    def on_part_end(self) -> None:
        super().on_part_end()
        name, value = self.items[-1]
        if isinstance(value, str):
            field = printable_name(name)
            raise Problem(
                422, f"the form field {field!r} is not a file. Attach photographs as files, and nothing else."
            )

    def on_end(self) -> None:
        self.complete = True


def printable_name(name: str) -> str:
    """A file name on one line, of bounded length, in which nothing hides.

    >>> printable_name("a\\nb\\u202e.jpg")
    'a�b�.jpg'
    """
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in name[:MAX_NAME_LENGTH]).strip()


def _media_type(request: Request) -> str:
    """The media type of a body: a form, or an image of any kind or bytes without a type, taken as they are."""
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise Problem(415, "compressed bodies are not accepted. Send the photographs without Content-Encoding.")
    header = request.headers.get("content-type", "application/octet-stream")
    media_type = header.partition(";")[0].strip().lower()
    if media_type in ("multipart/form-data", "application/octet-stream") or media_type.startswith("image/"):
        return media_type
    detail = "the content type is not accepted. Send multipart/form-data, image/* or application/octet-stream."
    raise Problem(415, detail, headers={"Accept-Post": "multipart/form-data, image/*, application/octet-stream"})


async def _bounded(request: Request, hold: Callable[[int], None], limits: LimitsConfig) -> AsyncGenerator[bytes, None]:
    """The chunks of the body, until there are too many bytes."""
    refusal = Problem(
        413, f"the body has more than the {limits.max_body_mb:g} MB allowed. Send fewer or smaller photographs at once."
    )
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > limits.max_body_bytes:
        raise refusal
    received = 0
    async for chunk in request.stream():
        received += len(chunk)
        if received > limits.max_body_bytes:
            raise refusal
        hold(len(chunk))
        yield chunk


@contextlib.asynccontextmanager
async def _deadline(seconds: float) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as cause:
        detail = f"the body did not arrive within {seconds:g} s. Send fewer or smaller photographs at once."
        # what is left of it is not waited for
        raise Problem(408, detail, headers={"Connection": "close"}) from cause
