"""One self-contained HTML report: text, tables and figures in a single file that needs no network and no script."""

import base64
import html
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import NamedTuple

from linearityiqa.files import write_text
from linearityiqa.reporting.tables import Table

SHORT = 28
"""Characters up to which the texts of a table's column are kept in one line."""
BRIEF = 12
"""Rows up to which a table is kept on one page of paper."""
WIDE = 95
"""Characters in a row from which a table is printed smaller, and its texts may be broken."""


class Thumbnail(NamedTuple):
    """A small picture of a gallery, as `HtmlReport.figure` takes it; None for one that could not be made."""

    image: bytes | None
    alt: str
    caption: str


@dataclass
class HtmlReport:
    """A page that is put together block by block and written once; all text is escaped, nothing passes as markup."""

    title: str
    lead: str = ""
    _blocks: list[str] = field(default_factory=list, repr=False)
    _sections: list[tuple[str, str]] = field(default_factory=list, repr=False)

    def section(self, heading: str) -> None:
        """Open a section: a heading, listed in the table of contents."""
        anchor = self._anchor(heading)
        self._sections.append((anchor, heading))
        self._blocks.append(f'<h2 id="{anchor}">{_text(heading)}</h2>')

    def subsection(self, heading: str) -> None:
        """Add a heading inside a section."""
        self._blocks.append(f"<h3>{_text(heading)}</h3>")

    def paragraph(self, text: str) -> None:
        """Add a paragraph of plain text."""
        self._blocks.append(f"<p>{_text(text)}</p>")

    def notice(self, *texts: str) -> None:
        """Add warnings, failures and missing results: a paragraph, or a list of several; nothing for none."""
        if len(texts) == 1:
            self._blocks.append(f'<p class="notice">{_text(texts[0])}</p>')
        else:
            self._list(texts, ' class="notice"')

    def bullets(self, texts: Sequence[str]) -> None:
        """Add a list; nothing for no texts."""
        self._list(texts)

    def _list(self, texts: Sequence[str], attributes: str = "") -> None:
        if texts:
            items = "\n".join(f"<li>{_text(text)}</li>" for text in texts)
            self._blocks.append(f"<ul{attributes}>\n{items}\n</ul>")

    def facts(self, facts: Mapping[str, object]) -> None:
        """Add names and their values, e.g. the environment of a run."""
        pairs = "\n".join(f"<dt>{_text(name)}</dt><dd>{_text(str(value))}</dd>" for name, value in facts.items())
        self._blocks.append(f"<dl>\n{pairs}\n</dl>")

    def code(self, text: str, *, label: str = "Command") -> None:
        """Add text in a fixed-width font, not reflowed; `label` names it for screen readers."""
        self._blocks.append(
            f'<pre tabindex="0" role="region" aria-label="{_text(label)}"><code>{_text(text)}</code></pre>'
        )

    def table(self, *tables: Table) -> None:
        """Add tables, each with its title as caption; the first column names the rows."""
        self._blocks.extend(map(_table, tables))

    def figure(self, image: bytes, *, alt: str, caption: str = "", width: int | None = None) -> None:
        """Add a picture: the content of a PNG, JPEG, WebP or SVG file, and what it shows, in words.

        `width` is in CSS pixels on a wide screen; by default half of a PNG's own, which is made for print.

        Raises:
            ValueError: the bytes are none of the three formats, or `alt` is empty.
        """
        if not alt.strip():
            raise ValueError("a figure of a report needs an alternative text")
        url = _data_url(image)
        if width is None and url.startswith("data:image/png"):
            width = int.from_bytes(image[16:20]) // 2
        shown = f' width="{width}"' if width else ""
        below = f"\n<figcaption>{_text(caption)}</figcaption>" if caption else ""
        self._blocks.append(f'<figure>\n<img src="{url}" alt="{_text(alt)}"{shown}>{below}\n</figure>')

    def gallery(self, pictures: Sequence["Thumbnail"]) -> None:
        """Add small pictures side by side, each with its caption; nothing for none."""
        if pictures:
            images = (
                f'<img src="{_data_url(one.image)}" alt="{_text(one.alt)}">' if one.image else "" for one in pictures
            )
            figures = "\n".join(
                f"<figure>{image}<figcaption>{_text(one.caption)}</figcaption></figure>"
                for image, one in zip(images, pictures, strict=True)
            )
            self._blocks.append(f'<div class="gallery">\n{figures}\n</div>')

    def to_html(self) -> str:
        """Return the whole page."""
        lead = f'\n<p class="lead">{_text(self.lead)}</p>' if self.lead else ""
        links = "\n".join(f'<li><a href="#{anchor}">{_text(heading)}</a></li>' for anchor, heading in self._sections)
        contents = f'\n<nav aria-label="Contents">\n<ul>\n{links}\n</ul>\n</nav>' if len(self._sections) > 2 else ""
        blocks = "\n".join(self._blocks)
        return (
            f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            # the page asks for nothing from outside, and says so to the browser
            '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; img-src data:; '
            "style-src 'unsafe-inline'\">\n"
            f"<title>{_text(self.title)}</title>\n<style>\n{base_style()}{_asset('report.css')}</style>\n</head>\n<body>\n"
            f"<header>\n<h1>{_text(self.title)}</h1>{lead}\n</header>{contents}\n<main>\n{blocks}\n</main>\n"
            "</body>\n</html>\n"
        )

    def write(self, path: Path) -> None:
        """Write the page atomically."""
        write_text(path, self.to_html())

    def _anchor(self, heading: str) -> str:
        words = re.sub(r"[^a-z0-9]+", "-", heading.lower()).strip("-") or "section"
        taken = {anchor for anchor, _ in self._sections}
        return words if words not in taken else f"{words}-{len(taken) + 1}"


@cache
def base_style() -> str:
    """Return the style sheet that the report, the gallery and the page of the service have in common."""
    return _asset("base.css")


def _asset(name: str) -> str:
    return (Path(__file__).with_name("assets") / name).read_text("utf-8")


def _text(text: str) -> str:
    """Escape text, and replace the control characters that HTML forbids."""
    return html.escape(re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]", "\N{REPLACEMENT CHARACTER}", text))


def _table(table: Table) -> str:
    rows = table.text_rows()
    # of a heading, which may be broken, the longest word counts
    headings = [max(map(len, name.split()), default=0) for name in table.columns]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)] or headings
    classes = [
        ' class="number"' if number else ' class="short"' if width <= SHORT else ""
        for width, number in zip(widths, table.numeric_columns(), strict=True)
    ]
    head = "".join(f'<th scope="col"{css}>{_text(name)}</th>' for name, css in zip(table.columns, classes, strict=True))
    body = "\n".join(_table_row(row, classes) for row in rows)
    size = (" brief" if len(rows) <= BRIEF else "") + (
        " wide" if sum(map(max, widths, headings)) + 2 * len(widths) > WIDE else ""
    )
    return (
        f'<div class="scroll{size}" tabindex="0" role="region" aria-label="{_text(table.title)}"><table>\n'
        f"<caption>{_text(table.title)}</caption>\n<thead><tr>{head}</tr></thead>\n"
        f"<tbody>\n{body}\n</tbody>\n</table></div>"
    )


def _table_row(cells: Sequence[str], classes: Sequence[str]) -> str:
    first = f'<th scope="row"{classes[0]}>{_text(cells[0])}</th>'
    rest = "".join(f"<td{css}>{_text(cell)}</td>" for cell, css in zip(cells[1:], classes[1:], strict=True))
    return f"<tr>{first}{rest}</tr>"


def _data_url(image: bytes) -> str:
    if image.startswith(b"\x89PNG\r\n\x1a\n"):
        media_type = "image/png"
    elif image.startswith(b"\xff\xd8\xff"):
        media_type = "image/jpeg"
    elif image.startswith(b"RIFF") and image[8:12] == b"WEBP":
        media_type = "image/webp"
    elif b"<svg" in image[:2000]:
        media_type = "image/svg+xml"
    else:
        raise ValueError("a figure of a report must be a PNG, JPEG, WebP or SVG file")
    return f"data:{media_type};base64,{base64.b64encode(image).decode('ascii')}"
