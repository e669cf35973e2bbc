"""deploy/nginx.conf in front of a service. Oracle: what one client gets while 64 others do their worst."""

import contextlib
import shutil
import socket
import statistics
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from live_service import Live, grey, live

NGINX = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin")
SITE = Path(__file__).parents[2] / "deploy" / "nginx.conf"
MAIN = """
user root;
daemon off;
pid {folder}/pid;
error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/site.conf;
}}
"""
CLIENTS = 64
HEAD = b"POST /v1/score HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\n"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(NGINX is None, reason="nginx is not installed"),
    pytest.mark.skipif(not Path("/proc/net").exists(), reason="only Linux has all of 127.0.0.0/8"),
]


@pytest.fixture(scope="module")
def proxied(tmp_path_factory) -> Iterator[tuple[Live, int]]:
    """A service, and the port of the nginx in front of it."""
    folder = tmp_path_factory.mktemp("nginx")
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = found.getsockname()[1]
    with live() as service:
        site = SITE.read_text()
        for ours, here in [
            ("listen 80;", f"listen 127.0.0.1:{port};"),
            ("127.0.0.1:8000", f"127.0.0.1:{service.port}"),
        ]:
            assert site.count(ours) == 1
            site = site.replace(ours, here)
        (folder / "site.conf").write_text(site)
        (folder / "nginx.conf").write_text(MAIN.format(folder=folder))
        process = subprocess.Popen([NGINX, "-e", folder / "error.log", "-c", folder / "nginx.conf"])
        try:
            while process.poll() is None:
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                    break
                time.sleep(0.05)
            yield service, port
        finally:
            process.terminate()
            process.wait(30)


def slow_headers(connection: socket.socket) -> None:
    connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow:")


def slow_body(connection: socket.socket) -> None:
    connection.sendall(HEAD + b"Content-Length: 1000000\r\n\r\n" + b"x" * 100_000)


def unread_answers(connection: socket.socket) -> None:
    connection.sendall(b"GET /assets/swagger-ui-bundle.js HTTP/1.1\r\nHost: x\r\n\r\n" * 10)


def one_byte_chunks(connection: socket.socket) -> None:
    connection.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 50_000)


@pytest.mark.parametrize("attack", [slow_headers, slow_body, unread_answers, one_byte_chunks])
def test_64_bad_clients_do_not_keep_another_waiting(proxied, attack: Callable[[socket.socket], None]) -> None:
    service, port = proxied
    connections, threads = [], []
    try:
        for number in range(CLIENTS):
            connection = socket.socket()
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.bind((f"127.0.1.{1 + number % 8}", 0))  # of eight addresses: else nginx refuses every second one
            connection.connect(("127.0.0.1", port))
            connections.append(connection)
            threads.append(threading.Thread(target=attack, args=(connection,), daemon=True))
            threads[-1].start()
        transport = httpx.HTTPTransport(local_address="127.0.0.2", verify=False)
        with httpx.Client(transport=transport, base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            seconds = []
            for _ in range(9):
                answer = client.get("/healthz")
                assert answer.status_code == 200
                seconds.append(answer.elapsed.total_seconds())
            assert statistics.median(seconds) < 1
            scored = client.post("/v1/score", content=grey(), headers={"content-type": "image/png"})
            assert scored.status_code == 200
            metrics = httpx.get(f"{service.url}/metrics", verify=False).text
            assert (
                "linearityiqa_buffered_bytes 0.0" in metrics
            )  # nothing of a body that is not complete reaches the service
    finally:
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()
        for thread in threads:
            thread.join(30)
