"""The web page, and the reader of the OpenAPI document: files of the package, with nothing from outside."""

import hashlib
from collections.abc import Callable
from importlib.resources import files
from importlib.resources.abc import Traversable

from markdown_it import MarkdownIt
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from linearityiqa.extras import require
from linearityiqa.packaged import bundled_card

_OURS = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
_NOTHING_ELSE = "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
PAGE_POLICY = _OURS + _NOTHING_ELSE
"""The page runs its own script and shows its own pictures and the visitor's, nothing else."""
DOCS_POLICY = PAGE_POLICY.replace("style-src 'self'", "style-src 'self' 'unsafe-inline'")
"""Swagger UI sets styles in its markup."""

CARD = "/card"
"""Path of the card of the model in the package."""

_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


def routes() -> list[Route]:
    """Return the routes of all pages and of what they load."""
    ours = files("linearityiqa.serving") / "assets"
    swagger = files(require("fastapi_offline", "serve")) / "static"
    return [
        _route("/", ours / "index.html"),
        _route("/docs", ours / "docs.html", policy=DOCS_POLICY),
        _route(CARD, ours / "card.html", fill=_card),
        *(_route(f"/assets/{name}", ours / name) for name in _OUR_ASSETS),
        *(_route(f"/assets/{name}", swagger / name) for name in ("swagger-ui-bundle.js", "swagger-ui.css")),
    ]


_OUR_ASSETS = ("page.css", "page.js", "card.js", "client.js", "csv.js", "docs.js", "icon.svg")


def _card(page: bytes) -> bytes:
    """Put the card of the model in the package, which is Markdown, into its page."""
    markdown = bundled_card().read_text(encoding="utf-8")
    return page.replace(b"{card}", MarkdownIt().enable("table").render(markdown).encode())


def _route(
    path: str, file: Traversable, *, policy: str = PAGE_POLICY, fill: Callable[[bytes], bytes] | None = None
) -> Route:
    content = file.read_bytes() if fill is None else fill(file.read_bytes())
    tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    headers = {"ETag": tag, "Cache-Control": "no-cache", "Content-Security-Policy": policy}
    media_type = _TYPES["." + file.name.rpartition(".")[2]]

    async def respond(request: Request) -> Response:
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        return Response(content, headers=headers, media_type=media_type)

    return Route(path, respond, methods=["GET", "HEAD"])
