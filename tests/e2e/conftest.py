"""The system's Chromium, for the tests that look at a page."""

import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
"""It runs as root too, and asks no host on the network."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright, of the extra dev")
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("there is no chromium on this machine")
    with playwright.sync_playwright() as started:
        chromium = started.chromium.launch(executable_path=program, args=FLAGS)
        yield chromium
        chromium.close()


PATIENCE = 120_000
"""Milliseconds that a busy machine may take for anything."""


@pytest.fixture
def visit(browser) -> Iterator[Callable[..., Any]]:
    """Opens addresses; whatever a page complains of, opens or fetches from elsewhere fails the test."""
    pages, complaints = [], []

    def open_page(url: str, **options: object) -> Any:
        page = browser.new_page(**options)
        page.set_default_timeout(PATIENCE)
        pages.append(page)
        ours = (url.partition("/")[0] if url.startswith("file:") else url, "blob:", "data:")
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda message: complaints.append(message.text) if _is_fault(message) else None)
        page.on("dialog", lambda dialog: (complaints.append(dialog.message), dialog.dismiss()))
        page.on("request", lambda sent: None if sent.url.startswith(ours) else complaints.append(sent.url))
        page.goto(url)
        return page

    yield open_page
    for page in pages:
        page.close()
    assert complaints == []


def _is_fault(message: Any) -> bool:
    # a service may refuse, and a photograph that is no longer where it was is looked for all the same
    return message.type == "error" and not message.text.startswith("Failed to load resource")
