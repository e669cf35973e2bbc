"""The web page, and the reader of the OpenAPI document: files of the package, with nothing from outside."""

from pathlib import Path

from markdown_it import MarkdownIt
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from linearityiqa.extras import require
from linearityiqa.hub import bundled_card

PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""The page runs its own script and shows its own pictures and the visitor's, nothing else."""
DOCS_POLICY = PAGE_POLICY.replace("style-src 'self'", "style-src 'self' 'unsafe-inline'")
"""Swagger UI sets styles in its markup."""

CARD = "/card"
"""Path of the card of the model in the package."""

_ASSETS = Path(__file__).with_name("assets")


def routes() -> list[BaseRoute]:
    """Return the routes of all pages and of what they load."""
    require("fastapi_offline", "serve")
    card = MarkdownIt().enable("table").render(bundled_card().read_text(encoding="utf-8"))
    ours = '<meta name="color-scheme" content="light dark">' + _style("base.css") + _style("page.css")
    script = '<script type="module" src="assets/page.js"></script>'
    swagger = '<script src="assets/swagger-ui-bundle.js" defer></script><script src="assets/docs.js" defer></script>'
    return [
        _page("/", "Photograph quality", ours + script, (_ASSETS / "index.html").read_text(encoding="utf-8")),
        _page("/docs", "Interface", _style("swagger-ui.css") + swagger, '<div id="interface"></div>', DOCS_POLICY),
        _page(CARD, "The model", ours, f'<main class="text">{card}<p><a href="./">Score photographs</a></p></main>'),
        Mount(
            "/assets",
            StaticFiles(
                directory=_ASSETS, packages=[("linearityiqa.reporting", "assets"), ("fastapi_offline", "static")]
            ),
        ),
    ]


def _style(name: str) -> str:
    return f'<link rel="stylesheet" href="assets/{name}">'


def _page(path: str, title: str, head: str, body: str, policy: str = PAGE_POLICY) -> Route:
    """Return the route of an HTML page with our icon."""
    content = (_ASSETS / "page.html").read_text(encoding="utf-8")
    for name, text in (("{title}", title), ("{head}", head), ("{body}", body)):
        content = content.replace(name, text)

    async def respond(request: Request) -> Response:
        return HTMLResponse(content, headers={"Content-Security-Policy": policy})

    return Route(path, respond)
