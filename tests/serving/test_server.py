"""A real server on a socket: slow, lying and broken clients, and the way it stops."""

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from linearityiqa.config import LimitsConfig
from linearityiqa.errors import ConfigError
from linearityiqa.scoring import Scorer
from linearityiqa.serving.server import listen
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
    limits = LimitsConfig(header_seconds=0.3, body_seconds=0.5, max_body_mb=0.2, max_connections=8)
    with live(limits=limits) as service:
        yield service


@pytest.mark.parametrize(
    ("sent", "status", "words"),
    [
        (b"GET /v1/model HTTP/1.1\r\nHost: x\r\nX-Slow:", 408, b"headers"),
        (HEAD + b"Content-Length: 1000\r\n\r\n" + b"x" * 10, 408, b"body did not arrive"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", 408, b"body did not arrive"),
        (b"nonsense\r\n\r\n", 400, b"not HTTP/1.1"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\nnonsense\r\n", 400, b"not HTTP/1.1"),
        (b"GET / HTTP/1.1\r\nX: " + b"y" * 100_000 + b"\r\n\r\n", 400, b"not HTTP/1.1"),
    ],
    ids=["slow headers", "slow body", "slow chunks", "no HTTP", "no chunk", "long header"],
)
def test_bad_connections_are_answered_and_closed(impatient, sent, status, words) -> None:
    with impatient.connect() as connection:
        connection.sendall(sent)
        code, answer = answer_on(connection)
    assert code == status
    assert b"content-type: application/problem+json" in answer.lower()
    assert b"x-content-type-options: nosniff" in answer.lower()
    assert words in answer
    assert score(impatient.url, grey()).status_code == 200


def test_a_connection_that_says_nothing_is_closed_without_an_answer(impatient) -> None:
    with impatient.connect() as connection:
        assert connection.recv(100) == b""


def test_slow_headers_of_a_second_request_are_not_waited_for_either(impatient) -> None:
    with impatient.connect() as connection:
        connection.sendall(b"GET /healthz/live HTTP/1.1\r\nHost: x\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 200")
        connection.sendall(b"GET /healthz")
        code, answer = answer_on(connection)
    assert code == 408
    assert b"headers" in answer


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


def test_a_client_that_sends_less_than_it_declared_and_leaves_harms_nobody(impatient) -> None:
    with impatient.connect() as connection:
        connection.sendall(HEAD + b"Content-Length: 1000\r\n\r\nabc")
    assert score(impatient.url, grey()).status_code == 200
    assert "buffered_bytes 0.0" in CLIENT.get(f"{impatient.url}/metrics").text


def test_what_follows_a_body_is_another_request(impatient) -> None:
    with impatient.connect() as connection:
        connection.sendall(HEAD + b"Content-Length: 3\r\n\r\nabcdef\r\n\r\n")
        answer = answer_on(connection)[1]
    assert answer.count(b"HTTP/1.1 422") == 1
    assert answer.count(b"HTTP/1.1 400") == 1


def test_more_connections_than_may_be_are_answered_later(impatient) -> None:
    connections = [impatient.connect() for _ in range(10)]
    try:
        code, answer = answer_on(connections[-1])
    finally:
        for connection in connections:
            connection.close()
    assert code == 503
    assert b"retry-after: 1" in answer.lower()


def test_many_clients_get_the_scores_of_their_own_photographs() -> None:
    contents = [grey(level, (20 + level % 3, 30)) for level in range(0, 240, 5)]
    scorer = Scorer(PixelRuntime())
    with live() as service, ThreadPoolExecutor(8) as clients:
        answers = list(clients.map(lambda content: score(service.url, content).json(), contents))
    found = [answer["results"][0]["score"] for answer in answers]
    assert found == pytest.approx([scorer.score(content) for content in contents])


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


def test_stopping_answers_what_is_under_way_and_refuses_what_is_new() -> None:
    runtime = GatedRuntime()
    with live(runtime) as service, ThreadPoolExecutor(1) as clients:
        runtime.close()
        under_way = clients.submit(score, service.url, grey())
        runtime.reached.wait(60)
        service.stop()
        refused = score(service.url, grey())
        assert refused.status_code == 503
        assert "about to stop" in refused.json()["detail"]
        assert CLIENT.get(f"{service.url}/healthz").status_code == 503
        assert not under_way.done()
        runtime.gate.set()
        assert under_way.result().status_code == 200
        service.thread.join(60)
        assert not service.thread.is_alive()
    assert service.server.cut == 0


def test_what_takes_longer_than_draining_may_is_cut_with_an_answer() -> None:
    runtime = GatedRuntime()
    with live(runtime, limits=LimitsConfig(drain_seconds=0.1)) as service, ThreadPoolExecutor(1) as clients:
        runtime.close()
        under_way = clients.submit(score, service.url, grey())
        runtime.reached.wait(60)
        service.stop()
        opener = threading.Timer(4, runtime.gate.set)  # the network's thread itself cannot be cut
        opener.start()
        assert under_way.result().status_code == 503
        runtime.gate.set()
        opener.cancel()
    assert service.server.cut == 1


PROCESS = """
import sys
sys.path.insert(0, {tests!r})
written = []
def watch(event, arguments):
    if event == "open" and arguments[2] & 3 and not str(arguments[0]).startswith(("/dev/", "/proc/")):
        written.append(arguments[0])
from linearityiqa.cli.main import carry_out
from linearityiqa.config import ServeConfig
from linearityiqa.scoring import Scorer
from linearityiqa.serving.server import serve
from pixel_runtime import PixelRuntime
sys.addaudithook(watch)
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
