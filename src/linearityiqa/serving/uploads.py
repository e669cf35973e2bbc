"""The photographs in the body of a request: bounded in bytes, files and time, held in memory, never on disk."""

import asyncio
import contextlib
import io
import logging
import re
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote_to_bytes

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import Request

from linearityiqa.config.serve import LimitsConfig
from linearityiqa.serving.answers import Problem, busy

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

MAX_NAME_LENGTH = 255
"""Longer file names are cut."""

# it quotes bytes of what it cannot parse
logging.getLogger("python_multipart").setLevel(logging.CRITICAL)


class Upload(NamedTuple):
    """One photograph as it was sent."""

    name: str
    content: bytes


class Buffer:
    """Counts the bytes of bodies that are held at once, over all requests."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self.held = 0

    @contextlib.contextmanager
    def lease(self) -> Iterator[Callable[[int], None]]:
        """Yield a function that counts more bytes of a body, or refuses them (503); the end of the block frees them."""
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
    """Read the photographs of a request, in their order: files of a form, or the body itself; `hold` counts bytes."""
    media_type = _media_type(request)
    chunks = _bounded(request, hold, limits)
    try:
        async with asyncio.timeout(limits.body_seconds):
            if media_type == "multipart/form-data":
                return await read_form(request.headers["content-type"], chunks, limits.max_files)
            body = io.BytesIO()
            async for chunk in chunks:
                body.write(chunk)
    except TimeoutError as cause:
        detail = f"the body did not arrive within {limits.body_seconds:g} s. Send fewer or smaller photographs at once."
        raise Problem(408, detail, headers={"Connection": "close"}) from cause
    if not body.tell():
        raise Problem(
            422, f"the body is empty. Send one photograph as {media_type}, or several as multipart/form-data."
        )
    name = printable_name(request.query_params.get("name", ""))
    return [Upload(name or "photograph", body.getvalue())]  # getvalue() copies nothing, bytes() would


async def read_form(content_type: str, chunks: AsyncIterable[bytes], max_files: int) -> list[Upload]:
    """Read the files of a form, in their order, from the chunks of its body."""
    boundary = parse_options_header(content_type)[1].get(b"boundary", b"")
    if not re.fullmatch(rb"[\w'()+,./:=? -]{1,70}", boundary):  # RFC 2046
        raise Problem(400, "the content type multipart/form-data names no boundary. Let your HTTP library set it.")
    form = _Form(max_files)
    parser = MultipartParser(boundary, form.callbacks)
    try:
        async for chunk in chunks:
            parser.write(chunk)
    except FormParserError as cause:  # may quote the body
        raise Problem(400, "the body is not a form as multipart/form-data prescribes it. Send it again.") from cause
    if not form.complete:
        raise Problem(400, "the form ends before its last boundary. Send it again.")
    if not form.files:
        raise Problem(422, "the form holds no file. Attach one or several photographs as files.")
    return [Upload(name, content.getvalue()) for name, content in form.files]


class _Form:
    """A form of files and nothing else, in memory. Starlette's parser would hold each file twice, or write to disk."""

    def __init__(self, max_files: int) -> None:
        self.files: list[tuple[str, io.BytesIO]] = []
        self.complete = False
        self._max_files = max_files
        self._header = bytearray()
        self._field = bytearray()
        self.callbacks: MultipartCallbacks = {
            "on_part_begin": self._header.clear,
            "on_header_begin": self._field.clear,
            "on_header_field": lambda data, start, end: self._field.extend(data[start:end]),
            "on_header_value": self._read_header,
            "on_headers_finished": self._begin_file,
            "on_part_data": self._write,
            "on_end": lambda: setattr(self, "complete", True),
        }

    def _read_header(self, data: bytes, start: int, end: int) -> None:
        if self._field.lower() == b"content-disposition":
            self._header += data[start:end]

    def _write(self, data: bytes, start: int, end: int) -> None:
        self.files[-1][1].write(data[start:end])

    def _begin_file(self) -> None:
        options = parse_options_header(bytes(self._header))[1]
        if b"name" not in options:
            raise FormParserError("a part without a name")
        # RFC 7578 forbids filename*, and old HTTP libraries send it all the same; no other charset is looked up
        extended = re.search(rb"filename\*\s*=\s*utf-8'[^']*'([^;\s]+)", self._header, re.IGNORECASE)
        name = unquote_to_bytes(extended[1]) if extended else options.get(b"filename")
        if name is None:
            field = printable_name(options[b"name"].decode(errors="replace"))
            raise Problem(
                422, f"the form field {field!r} is not a file. Attach photographs as files, and nothing else."
            )
        if len(self.files) == self._max_files:
            raise Problem(413, f"the form holds more than the {self._max_files} files allowed. Send fewer at once.")
        shown = printable_name(name.decode(errors="replace")) or f"photograph {len(self.files) + 1}"
        self.files.append((shown, io.BytesIO()))


def printable_name(name: str) -> str:
    """Return a file name on one line, of bounded length, without invisible characters.

    >>> printable_name("a\\nb\\u202e.jpg")
    'a�b�.jpg'
    """
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in name[:MAX_NAME_LENGTH]).strip()


def _media_type(request: Request) -> str:
    """Return the media type of a body: a form, or an image of any kind or bytes without a type."""
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise Problem(415, "compressed bodies are not accepted. Send the photographs without Content-Encoding.")
    header = request.headers.get("content-type", "application/octet-stream")
    media_type = header.partition(";")[0].strip().lower()
    if media_type in ("multipart/form-data", "application/octet-stream") or media_type.startswith("image/"):
        return media_type
    detail = "the content type is not accepted. Send multipart/form-data, image/* or application/octet-stream."
    raise Problem(415, detail, headers={"Accept-Post": "multipart/form-data, image/*, application/octet-stream"})


async def _bounded(request: Request, hold: Callable[[int], None], limits: LimitsConfig) -> AsyncIterator[bytes]:
    """Yield the chunks of the body, until there are too many bytes."""
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
