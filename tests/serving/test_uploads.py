"""Forms as they arrive, in pieces. Oracle: the files that an HTTP client put into the form."""

import asyncio
import codecs
import tracemalloc
from collections.abc import AsyncIterator

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from linearityiqa.serving.answers import Problem
from linearityiqa.serving.uploads import printable_name, read_form

NAMES = st.text(st.characters(exclude_categories=["C", "Z"], exclude_characters='"\\%'), min_size=1, max_size=20)


def form_of(files: list[tuple[str, bytes]]) -> tuple[str, bytes]:
    """(content type, body) as httpx sends files."""
    request = httpx.Request("POST", "http://x", files=[("files", file) for file in files])
    return request.headers["content-type"], request.read()


def parsed(content_type: str, body: bytes, step: int, max_files: int = 10) -> list[tuple[str, bytes]]:
    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(body), step):
            yield body[start : start + step]

    return asyncio.run(read_form(content_type, chunks(), max_files))


@given(files=st.lists(st.tuples(NAMES, st.binary(max_size=200)), min_size=1, max_size=5), step=st.integers(1, 400))
def test_files_come_out_as_they_went_in_however_the_body_is_cut(files, step) -> None:
    assert parsed(*form_of(files), step) == files


@given(body=st.binary(max_size=300), step=st.integers(1, 100))
def test_any_bytes_are_a_form_or_a_problem(body, step) -> None:
    outcome = None
    try:
        outcome = parsed("multipart/form-data; boundary=xyz", body, step)
    except Problem as problem:
        outcome = problem.status_code
    assert outcome in (400, 413, 422) or isinstance(outcome, list)


def part(disposition: bytes, content: bytes = b"data") -> bytes:
    return b"--xyz\r\nContent-Disposition: " + disposition + b"\r\n\r\n" + content + b"\r\n"


FILE = part(b'form-data; name="files"; filename="a.png"')
END = b"--xyz--\r\n"


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (FILE, 400, "last boundary"),
        (b"no form at all", 400, "not a form"),
        (END, 422, "no file"),
        (part(b'form-data; name="comment"') + END, 422, "'comment' is not a file"),
        (FILE * 3 + END, 413, "more than the 2 files"),
        (part(b'form-data; filename="a.png"') + END, 400, "not a form"),  # no name, which RFC 7578 asks for
        (part(b"form-data; " + b"x" * 8192) + END, 400, "form"),
    ],
)
def test_what_is_no_form_of_files_is_refused(body, status, words) -> None:
    with pytest.raises(Problem, match=words) as refused:
        parsed("multipart/form-data; boundary=xyz", body, 7, max_files=2)
    assert refused.value.status_code == status


@pytest.mark.parametrize("rest", ["charset=utf-8", "boundary=", f"boundary={'x' * 71}", 'boundary="a\\"; charset=b"'])
def test_a_content_type_without_a_boundary_is_refused(rest) -> None:
    with pytest.raises(Problem, match="no boundary"):
        parsed(f"multipart/form-data; {rest}", FILE + END, 1000)


def test_a_charset_is_not_looked_up(request) -> None:
    # oracle: Python asks every registered search for a charset that it does not know, and remembers the answer for good
    asked: list[str] = []
    search = asked.append
    codecs.register(search)
    request.addfinalizer(lambda: codecs.unregister(search))
    content_type = "multipart/form-data; charset=no-such-charset; boundary=xyz"
    assert parsed(content_type, FILE + END, 1000) == [("a.png", b"data")]
    assert asked == []


def test_what_follows_the_form_means_nothing() -> None:
    assert parsed("multipart/form-data; boundary=xyz", FILE + END + FILE, 10) == [("a.png", b"data")]


def test_a_file_without_a_name_gets_one() -> None:
    body = part(b'form-data; name="files"; filename=""') + END
    assert parsed("multipart/form-data; boundary=xyz", body, 1000) == [("photograph 1", b"data")]


@pytest.mark.parametrize(
    "disposition",
    [
        b"form-data; name=\"files\"; filename*=UTF-8''Gr%C3%BCn.png",
        b'form-data; name="files"; filename="Gr_n.png"; filename*=utf-8\'de\'Gr%C3%BCn.png',
    ],
)
def test_a_name_as_old_http_libraries_send_it(disposition) -> None:
    body = part(disposition) + END
    assert parsed("multipart/form-data; boundary=xyz", body, 1000) == [("Grün.png", b"data")]


def test_a_form_takes_no_more_memory_than_its_bytes() -> None:
    # oracle: Python's own count of the memory it takes; chunks are made one by one, as they arrive
    size, step = 20_000_000, 65536

    async def chunks() -> AsyncIterator[bytes]:
        yield part(b'form-data; name="files"; filename="a.png"', b"").removesuffix(b"\r\n")
        for _ in range(size // step):
            yield bytes(step)
        yield b"\r\n" + END

    async def most() -> int:
        ((_, content),) = await read_form("multipart/form-data; boundary=xyz", chunks(), 10)
        assert len(content) == size // step * step
        return tracemalloc.get_traced_memory()[1]

    tracemalloc.start()
    try:
        assert asyncio.run(most()) < 1.25 * size
    finally:
        tracemalloc.stop()


@given(st.text())
def test_names_are_one_printable_line_of_bounded_length(name) -> None:
    shown = printable_name(name)
    assert shown.isprintable()
    assert len(shown) <= 255
