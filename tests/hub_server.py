"""A small server on this machine that speaks the file interface of the Hugging Face Hub."""

import contextlib
import hashlib
import http.server
import json
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import unquote

OLD, NEW = "a" * 40, "b" * 40
"""Two commits."""


@dataclass
class HubServer:
    """Repositories by name: commits, each with the content of its files, and branches and tags.

    Attributes:
        address: of the server.
        files: by ``OWNER/NAME`` and commit, the content by path.
        refs: what commit a branch or a tag is, for all repositories.
        gated: repositories that are not open to everyone.
        sizes: what is said to be the size of a file, where that is not its size.
        asked: method and path of each request.
        down: status that every request is answered with; 0 answers it.
    """

    address: str
    files: dict[str, dict[str, dict[str, bytes]]] = field(default_factory=dict)
    refs: dict[str, str] = field(default_factory=lambda: {"main": NEW, "v1": OLD, "refs/pr/1": OLD})
    gated: set[str] = field(default_factory=set)
    sizes: dict[str, int] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    down: int = 0

    @property
    def fetched(self) -> list[str]:
        """The files whose content was asked for."""
        return [path.rpartition("/")[2] for path in self.asked if path.startswith("GET") and "/resolve/" in path]


@contextlib.contextmanager
def hub_server() -> Iterator[HubServer]:
    """A hub without repositories, for a block."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self._answer(body=False)

        def do_GET(self) -> None:
            self._answer(body=True)

        def log_message(self, *_: object) -> None:
            pass

        def _answer(self, *, body: bool) -> None:
            hub.asked.append(f"{self.command} {self.path}")
            if hub.down:
                return self._send(hub.down)
            listing = re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/revision/([^/?]+))?(?:\?.*)?", self.path)
            wanted = re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", self.path)
            if not (listing or wanted):
                return self._send(404)
            repo, revision, *_ = (listing or wanted).groups()
            revision = unquote(revision or "main")
            commit = hub.refs.get(revision, revision)
            if repo not in hub.files:
                return self._send(401, error="RepoNotFound")
            if commit not in hub.files[repo]:
                return self._send(404, error="RevisionNotFound")
            if listing:
                siblings = [{"rfilename": name} for name in hub.files[repo][commit]]
                return self._send(200, json.dumps({"id": repo, "sha": commit, "siblings": siblings}).encode())
            if repo in hub.gated:
                return self._send(403, error="GatedRepo")
            file = unquote(wanted[3])
            content = hub.files[repo][commit].get(file)
            if content is None:
                return self._send(404, error="EntryNotFound", commit=commit)
            digest = hashlib.sha256(content).hexdigest()
            size = hub.sizes.get(file, len(content))
            return self._send(200, content if body else b"", commit=commit, etag=f'"{digest}"', size=size)

        def _send(self, status: int, content: bytes = b"", *, size: int | None = None, **fields: str) -> None:
            self.send_response(status)
            for name, value in fields.items():
                self.send_header({"error": "X-Error-Code", "commit": "X-Repo-Commit", "etag": "ETag"}[name], value)
            self.send_header("Content-Length", str(len(content) if size is None else size))
            self.end_headers()
            self.wfile.write(content)

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub = HubServer(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
