"""The files of a form, parsed as they arrive and kept in memory.

Starlette's own parser writes files above 1 MB to the disk; nothing that is sent to this service may go there.
"""

import contextlib
import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from linearityiqa.serving.problems import Problem, malformed, too_large

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

MAX_HEADER_BYTES = 8192
"""Most bytes of the headers of one part."""
MAX_NAME_LENGTH = 255
"""Longer file names are cut."""

# it quotes bytes of what it cannot parse
logging.getLogger("python_multipart").setLevel(logging.CRITICAL)


class MultipartFiles:
    """The files of one form.

    Args:
        boundary: what separates the parts.
        max_files: most files.

    Raises:
        Problem: 400, the boundary is not one.
    """

    def __init__(self, boundary: bytes, max_files: int) -> None:
        callbacks: MultipartCallbacks = {
            "on_part_begin": self._begin,
            "on_header_field": self._header_field,
            "on_header_value": self._header_value,
            "on_header_end": self._header_end,
            "on_headers_finished": self._headers_finished,
            "on_part_data": self._data,
            "on_part_end": self._end,
            "on_end": self._end_of_form,
        }
        with _explained():
            self._parser = MultipartParser(boundary, callbacks)
        self._max_files = max_files
        self._files: list[tuple[str, bytes]] = []
        self._complete = False
        self._begin()

    @staticmethod
    def boundary_of(content_type: str) -> bytes:
        """The boundary that a content type names.

        Raises:
            Problem: 400, it names none.
        """
        boundary = parse_options_header(content_type.encode("latin-1"))[1].get(b"boundary")
        if not boundary:
            raise malformed("the content type multipart/form-data names no boundary. Let your HTTP library set it.")
        return boundary

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes of the body.

        Raises:
            Problem: 400, 413 or 422: not a form, too many files, or a field that is not a file.
        """
        if not self._complete:  # what follows the last boundary means nothing
            with _explained():
                self._parser.write(chunk)

    def finish(self) -> list[tuple[str, bytes]]:
        """(name, content) of the files, in their order, once all bytes are fed.

        Raises:
            Problem: 400 where the form has no end, 422 where it holds no file.
        """
        if not self._complete:
            raise malformed("the form ends before its last boundary. Send it again.")
        if not self._files:
            raise Problem(422, "the form holds no file. Attach one or several photographs as files.")
        return self._files

    def _begin(self) -> None:
        self._header_bytes = 0
        self._field = bytearray()
        self._value = bytearray()
        self._disposition = b""
        self._name = ""
        self._content = bytearray()

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._count_header(end - start)
        self._field += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._count_header(end - start)
        self._value += data[start:end]

    def _count_header(self, count: int) -> None:
        self._header_bytes += count
        if self._header_bytes > MAX_HEADER_BYTES:
            raise malformed(f"a part of the form has more than {MAX_HEADER_BYTES} bytes of headers")

    def _header_end(self) -> None:
        if self._field.lower() == b"content-disposition":
            self._disposition = bytes(self._value)
        self._field.clear()
        self._value.clear()

    def _headers_finished(self) -> None:
        parameters = parse_options_header(self._disposition)[1]
        if b"filename" not in parameters:
            field = printable_name(_text(parameters.get(b"name", b"")))
            raise Problem(
                422, f"the form field {field!r} is not a file. Attach photographs as files, and nothing else."
            )
        if len(self._files) == self._max_files:
            raise too_large(f"the form holds more than the {self._max_files} files allowed. Send fewer at once.")
        self._name = printable_name(_text(parameters[b"filename"])) or f"photograph {len(self._files) + 1}"

    def _data(self, data: bytes, start: int, end: int) -> None:
        self._content += data[start:end]

    def _end(self) -> None:
        self._files.append((self._name, bytes(self._content)))
        self._begin()

    def _end_of_form(self) -> None:
        self._complete = True


def printable_name(name: str) -> str:
    """A file name on one line, of bounded length, in which nothing hides.

    >>> printable_name("a\\nb\\u202e.jpg")
    'a�b�.jpg'
    """
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in name[:MAX_NAME_LENGTH]).strip()


@contextlib.contextmanager
def _explained() -> Iterator[None]:
    """Turn the parser's complaints, which quote the body, into a problem that does not."""
    try:
        yield
    except FormParserError as cause:
        raise malformed("the body is not a form as multipart/form-data prescribes it. Send it again.") from cause


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")
