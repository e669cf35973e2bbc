"""A service on a socket of its own, as its users have it, with a network that needs no torch."""

import contextlib
import io
import signal
import socket
import threading
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from PIL import Image

from linearityiqa.config import ServeConfig
from linearityiqa.scoring import Runtime, Scorer
from linearityiqa.serving.server import Server, listen, make_server
from pixel_runtime import PixelRuntime


class GatedRuntime(PixelRuntime):
    """Scores nothing while its gate is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = threading.Event()
        self.gate.set()
        self.reached = threading.Event()

    def predict(self, batch):
        self.reached.set()
        if not self.gate.wait(60):
            raise TimeoutError("nobody opened the gate")
        return super().predict(batch)

    def close(self) -> None:
        self.gate.clear()
        self.reached.clear()


class Live(NamedTuple):
    """A running service."""

    server: Server
    thread: threading.Thread
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def connect(self) -> socket.socket:
        """A plain connection, to send whatever bytes a test wants."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=60)

    def stop(self) -> None:
        """What a signal does."""
        self.server.handle_exit(signal.SIGTERM, None)


@contextlib.contextmanager
def live(runtime: Runtime | None = None, **options: object) -> Iterator[Live]:
    """A service in a thread, stopped at the end of the block; `options` are those of ServeConfig."""
    config = ServeConfig(port=0, **options)
    with listen(config.host, config.port) as listener:
        server = make_server(Scorer(runtime or PixelRuntime()), config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        service = Live(server, thread, listener.getsockname()[1])
        try:
            yield service
        finally:
            service.stop()
            thread.join(60)
    if thread.is_alive():
        raise RuntimeError("the service did not stop")


def grey(level: int = 128, size: tuple[int, int] = (32, 48)) -> bytes:
    """A PNG of one level and of (height, width)."""
    return encoded(np.full((*size, 3), level, dtype=np.uint8))


def encoded(pixels: np.ndarray, image_format: str = "PNG") -> bytes:
    """The file of an image."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, image_format)
    return stream.getvalue()


def answer_on(connection: socket.socket) -> tuple[int, bytes]:
    """(status, everything) of the answer on a connection that the service closes."""
    received = b""
    while chunk := connection.recv(65536):
        received += chunk
    return int(received.split(b" ", 2)[1]), received
