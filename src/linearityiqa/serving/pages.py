"""The web page, and the reader of the OpenAPI document: files of the package, with nothing from outside."""

import hashlib
from importlib.resources import files

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from linearityiqa.extras import require

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
    ".md": "text/plain; charset=utf-8",
}


def routes() -> list[Route]:
    """Routes of all pages and of what they load.

    Raises:
        MissingExtraError: Swagger UI is not installed.
    """
    ours, swagger = "linearityiqa.serving", require("fastapi_offline", "serve").__name__
    return [
        _route("/", ours, "assets/index.html"),
        _route("/docs", ours, "assets/docs.html", DOCS_POLICY),
        _route(CARD, "linearityiqa", "bundled/card.md"),
        *(_route(f"/assets/{name}", ours, f"assets/{name}") for name in _OUR_ASSETS),
        *(_route(f"/assets/{name}", swagger, f"static/{name}") for name in ("swagger-ui-bundle.js", "swagger-ui.css")),
    ]


_OUR_ASSETS = ("page.css", "page.js", "card.js", "client.js", "csv.js", "docs.js", "icon.svg")


def _route(path: str, package: str, name: str, policy: str = PAGE_POLICY) -> Route:
    content = files(package).joinpath(name).read_bytes()
    tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    headers = {"ETag": tag, "Cache-Control": "no-cache", "Content-Security-Policy": policy}
    media_type = _TYPES["." + name.rpartition(".")[2]]

    async def respond(request: Request) -> Response:
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        return Response(content, headers=headers, media_type=media_type)

    return Route(path, respond, methods=["GET", "HEAD"])
