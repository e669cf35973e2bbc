"""A real server on a socket: slow, lying and broken clients, and the way it stops."""

import contextlib
import logging
import multiprocessing
import os
import signal
import socket
import struct
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

import costly_decoders
from linearityiqa.config import LimitsConfig, ServeConfig
from linearityiqa.errors import ConfigError
from linearityiqa.scoring import Scorer
from linearityiqa.serving import decoding
from linearityiqa.serving.server import Server, listen, serve
from live_service import GatedRuntime, answer_on, grey, live
from pixel_runtime import PixelRuntime

PNG = {"content-type": "image/png"}
HEAD = b"POST /v1/score HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\n"


CLIENT = httpx.Client(timeout=60, verify=False, limits=httpx.Limits(max_keepalive_connections=0))
"""Of all threads; a new connection for each request."""


def score(url: str, content: bytes) -> httpx.Response:
    return CLIENT.post(f"{url}/v1/score", content=content, headers=PNG)


def wait_for(url: str, measure: str) -> None:
    """Wait until a measure has a value."""
    while measure not in CLIENT.get(f"{url}/metrics").text:
        time.sleep(0.02)


@pytest.fixture(scope="module")
def impatient():
    """A service whose limits are met at once."""
    with live(limits=LimitsConfig(body_seconds=0.5, max_body_mb=0.2, max_connections=8)) as service:
        yield service


@pytest.mark.parametrize(
    "sent",
    [
        HEAD + b"Content-Length: 1000\r\n\r\n" + b"x" * 10,
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
    ],
    ids=["body", "chunks"],
)
def test_a_body_that_does_not_arrive_gives_its_place_back(impatient, sent) -> None:
    with impatient.connect() as connection:
        connection.sendall(sent)
        code, answer = answer_on(connection)
    assert code == 408
    assert b"body did not arrive" in answer
    assert "buffered_bytes 0.0" in CLIENT.get(f"{impatient.url}/metrics").text


@pytest.mark.parametrize("path", ["/", "/healthz", "/metrics", "/v1/model", "/openapi.json", "/assets/page.js"])
def test_head_is_answered_as_get_without_a_body(impatient, path) -> None:
    answer = CLIENT.head(impatient.url + path)
    assert answer.status_code == 200
    assert int(answer.headers["content-length"]) > 0
    assert answer.content == b""


def test_aborted_uploads_leave_no_traceback(caplog) -> None:
    reset = struct.pack("ii", 1, 0)
    with live(limits=LimitsConfig(body_seconds=0.2, max_body_mb=0.2)) as service:
        for declared, sent in [(1000, 10), (150_000, 140_000), (1_000_000, 300_000)] * 10:
            with service.connect() as connection:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
                connection.sendall(HEAD + b"Content-Length: %d\r\n\r\n" % declared + bytes(sent))
        assert score(service.url, grey()).status_code == 200
    assert caplog.text == ""


def test_a_body_that_is_declared_too_large_is_refused_before_it_is_sent(impatient) -> None:
    with impatient.connect() as connection:
        connection.sendall(HEAD + b"Content-Length: 99999999\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 413")


def test_a_body_that_grows_too_large_is_refused_and_the_connection_stays_usable(impatient) -> None:
    with httpx.Client(base_url=impatient.url, timeout=60, verify=False) as client:
        for _ in range(2):
            answer = client.post("/v1/score", content=iter([bytes(50_000)] * 6), headers=PNG)
            assert answer.status_code == 413
        assert client.post("/v1/score", content=grey(), headers=PNG).status_code == 200


def test_more_connections_than_may_be_are_answered_later(impatient) -> None:
    connections = [impatient.connect() for _ in range(10)]
    try:
        for connection in connections:
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        answers = [connection.recv(65536)[:12] for connection in connections]
    finally:
        for connection in connections:
            connection.close()
    assert b"HTTP/1.1 503" in answers


def test_a_client_that_leaves_frees_its_place() -> None:
    runtime = GatedRuntime()
    with live(runtime, limits=LimitsConfig(max_queue=2, max_files=2)) as service:
        runtime.close()
        with service.connect() as connection:
            body = grey()
            connection.sendall(HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body)
            runtime.reached.wait(60)
            with ThreadPoolExecutor(2) as clients:
                second = clients.submit(score, service.url, grey())
                wait_for(service.url, "queued_photographs 2.0")
                assert score(service.url, grey()).status_code == 503
                connection.close()
                wait_for(service.url, "queued_photographs 1.0")
                third = clients.submit(score, service.url, grey())
                runtime.gate.set()
                assert second.result().status_code == third.result().status_code == 200


def test_stopping_answers_what_is_under_way_and_takes_no_new_connection() -> None:
    runtime = GatedRuntime()
    with live(runtime) as service, ThreadPoolExecutor(1) as clients:
        runtime.close()
        under_way = clients.submit(score, service.url, grey())
        runtime.reached.wait(60)
        service.stop()
        with contextlib.suppress(httpx.TransportError):  # which ends the loop
            while CLIENT.get(f"{service.url}/healthz"):
                time.sleep(0.02)
        assert not under_way.done()
        runtime.gate.set()
        assert under_way.result().status_code == 200


@pytest.mark.parametrize("signals", [1, 2])
def test_what_decodes_is_cut_with_an_answer_after_draining_and_at_the_second_signal(monkeypatch, signals) -> None:
    monkeypatch.setattr(decoding, "decode", costly_decoders.never_ends)
    others = {child.pid for child in multiprocessing.active_children()}
    limits = LimitsConfig(drain_seconds=0.1 if signals == 1 else 3600, decode_seconds=3600, score_seconds=3600)
    with live(limits=limits) as service, ThreadPoolExecutor(1) as clients:
        under_way = clients.submit(score, service.url, b"costly")
        wait_for(service.url, "queued_photographs 1.0")
        for _ in range(signals):
            service.stop()
        assert under_way.result().status_code == 503
        service.thread.join(60)
        assert {child.pid for child in multiprocessing.active_children()} <= others


PROCESS = """
import signal
import sys
sys.path.insert(0, {tests!r})
written = []
def watch(event, arguments):
    if event == "open" and arguments[2] & 3 and not str(arguments[0]).startswith(("/dev/", "/proc/")):
        written.append(arguments[0])
from linearityiqa.cli.main import carry_out
from linearityiqa.config import ServeConfig
from linearityiqa.scoring import Scorer
from linearityiqa.serving import decoding
from linearityiqa.serving.server import serve
from pixel_runtime import PixelRuntime
sys.addaudithook(watch)
signal.signal(signal.SIGUSR1, lambda *_: written.clear())
status = carry_out(lambda words: serve(Scorer(PixelRuntime()), ServeConfig(port=0)), [])
print("written:", written)
sys.exit(status)
"""


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_sigterm_ends_the_process_with_status_0_and_nothing_was_written(tmp_path) -> None:
    # oracle of the writing: the interpreter's own audit events; the upload is larger than what Starlette spools
    code = PROCESS.format(tests=str(Path(__file__).parents[1]))
    process = subprocess.Popen(
        [sys.executable, "-B", "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    try:
        url = next(word for word in process.stderr.readline().split() if word.startswith("http://"))
        upload = ("secret-name.png", grey() + bytes(3_000_000))
        assert CLIENT.post(f"{url}v1/score", files={"files": ("first.png", grey())}).status_code == 200
        process.send_signal(signal.SIGUSR1)  # what the start writes does not count: multiprocessing tries its folder
        assert CLIENT.get(f"{url}healthz").status_code == 200
        assert CLIENT.post(f"{url}v1/score", files={"files": upload}).status_code == 200
        assert CLIENT.post(f"{url}v1/score", files={"files": ("secret-name.png", b"secret")}).status_code == 422
        process.send_signal(signal.SIGTERM)
        output, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 0
    assert output == "written: []\n"
    assert "secret" not in errors
    assert not list(tmp_path.iterdir())


def test_an_address_that_is_taken_is_named() -> None:
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=f"port {port}.*--port"):
            listen("127.0.0.1", port)
    with pytest.raises(ConfigError, match="no-such-host"):
        listen("no-such-host.invalid", 0)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"host": "0.0.0.0"}, "open to other machines; everyone"),
        ({"host": "::"}, "open to other machines; everyone"),
        ({"batch_wait_ms": 5.0}, "--batch_wait_ms does nothing"),
        ({"limits": LimitsConfig(header_seconds=10.0)}, "--header_seconds does nothing"),
        ({}, None),
    ],
)
def test_what_is_said_at_the_start(monkeypatch, caplog, options, words) -> None:
    monkeypatch.setattr(Server, "run", lambda self, sockets: None)
    assert serve(Scorer(PixelRuntime()), ServeConfig(port=0, **options)) == 0
    warnings = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(warnings) == (words is not None)
    assert words is None or words in warnings[0]
