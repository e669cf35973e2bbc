"""What a gallery's page holds, read without a browser."""

import base64
import html
import json
import re
from pathlib import Path
from typing import Any, NamedTuple


class Page(NamedTuple):
    """Parts of a page.

    Attributes:
        text: all of it.
        rows: of the photographs, in their order.
        facts: about the model and the scores.
        pictures: small pictures, one after the other, in base64.
        policy: what the page may load.
    """

    text: str
    rows: list[dict[str, Any]]
    facts: dict[str, Any]
    pictures: str
    policy: str

    def picture(self, row: dict[str, Any], name: str = "picture") -> bytes | None:
        """Content of a picture of a row; None where it has none."""
        return base64.b64decode(self.pictures[slice(*row[name])], validate=True) if row.get(name) else None


def read_page(path: Path) -> Page:
    """Take a page apart."""
    text = path.read_text(encoding="utf-8")
    parts = dict(re.findall(r'<script id="(\w+)" type="[\w/]+">([^<]*)</script>', text))
    (policy,) = re.findall(r'<meta http-equiv="Content-Security-Policy" content="([^"]*)">', text)
    rows, facts = json.loads(parts["rows"]), json.loads(parts["facts"])
    return Page(text, rows, facts, parts["pictures"], html.unescape(policy))
