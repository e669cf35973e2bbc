"""One self-contained HTML report: text, tables and figures in a single file that needs no network and no script."""

import base64
import html
import re
import struct
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
    """A small picture of a gallery.

    Attributes:
        image: content of a PNG, JPEG or SVG file, or None for one that could not be made.
        alt: what it shows, in words.
        caption: text below it.
    """

    image: bytes | None
    alt: str
    caption: str


@dataclass
class HtmlReport:
    """A page that is put together block by block and written once.

    All text is escaped; nothing passes as markup.

    Attributes:
        title: title of the page and its first heading.
        lead: one or two sentences under it.
    """

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
        """A heading inside a section."""
        self._blocks.append(f"<h3>{_text(heading)}</h3>")

    def paragraph(self, text: str) -> None:
        """A paragraph of plain text."""
        self._blocks.append(f"<p>{_text(text)}</p>")

    def notice(self, *texts: str) -> None:
        """Warnings, failures and missing results: a paragraph, or a list of several; nothing for none."""
        if len(texts) > 1:
            items = "".join(f"<li>{_text(text)}</li>" for text in texts)
            self._blocks.append(f'<ul class="notice">{items}</ul>')
        elif texts:
            self._blocks.append(f'<p class="notice">{_text(texts[0])}</p>')

    def bullets(self, texts: Sequence[str]) -> None:
        """A list; nothing for no texts."""
        if texts:
            items = "\n".join(f"<li>{_text(text)}</li>" for text in texts)
            self._blocks.append(f"<ul>\n{items}\n</ul>")

    def facts(self, facts: Mapping[str, object]) -> None:
        """Names and their values, e.g. the environment of a run."""
        pairs = "\n".join(f"<dt>{_text(name)}</dt><dd>{_text(str(value))}</dd>" for name, value in facts.items())
        self._blocks.append(f"<dl>\n{pairs}\n</dl>")

    def code(self, text: str, *, label: str = "Command") -> None:
        """Text in a fixed-width font, not reflowed; `label` names it for screen readers."""
        self._blocks.append(
            f'<pre tabindex="0" role="region" aria-label="{_text(label)}"><code>{_text(text)}</code></pre>'
        )

    def table(self, table: Table) -> None:
        """A table with its title as caption; its first column names the rows."""
        rows = table.text_rows()
        # of a heading, which may be broken, the longest word counts
        headings = [max(map(len, name.split()), default=0) for name in table.columns]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)] or headings
        classes = [
            ' class="number"' if number else ' class="short"' if width <= SHORT else ""
            for width, number in zip(widths, table.numeric_columns(), strict=True)
        ]
        head = "".join(
            f'<th scope="col"{css}>{_text(name)}</th>' for name, css in zip(table.columns, classes, strict=True)
        )
        body = "\n".join(_table_row(row, classes) for row in rows)
        size = (" brief" if len(rows) <= BRIEF else "") + (
            " wide" if sum(map(max, widths, headings)) + 2 * len(widths) > WIDE else ""
        )
        self._blocks.append(
            f'<div class="scroll{size}" tabindex="0" role="region" aria-label="{_text(table.title)}"><table>\n'
            f"<caption>{_text(table.title)}</caption>\n<thead><tr>{head}</tr></thead>\n"
            f"<tbody>\n{body}\n</tbody>\n</table></div>"
        )

    def figure(self, image: bytes, *, alt: str, caption: str = "", width: int | None = None) -> None:
        """A picture inside the page.

        Args:
            image: content of a PNG, JPEG or SVG file.
            alt: what the picture shows, in words, for those who cannot see it.
            caption: text below it.
            width: its width on a wide screen, in CSS pixels; by default half of a PNG's own, which is made for print.

        Raises:
            ValueError: the bytes are none of the three formats, or `alt` is empty.
        """
        if not alt.strip():
            raise ValueError("a figure of a report needs an alternative text")
        size = _png_size(image)
        attributes = ""
        if size is not None:
            shown = width or size[0] // 2
            attributes = f' width="{shown}" height="{round(shown * size[1] / size[0])}"'
        elif width:
            attributes = f' width="{width}"'
        below = f"\n<figcaption>{_text(caption)}</figcaption>" if caption else ""
        self._blocks.append(
            f'<figure>\n<img src="{_data_url(image)}" alt="{_text(alt)}"{attributes}>{below}\n</figure>'
        )

    def gallery(self, pictures: Sequence["Thumbnail"]) -> None:
        """Small pictures side by side, each with its caption; nothing for none.

        Raises:
            ValueError: a picture is no PNG, JPEG or SVG file.
        """
        if pictures:
            figures = "\n".join(map(_thumbnail, pictures))
            self._blocks.append(f'<div class="gallery">\n{figures}\n</div>')

    def to_html(self) -> str:
        """The whole page."""
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
        """Write the page atomically.

        Raises:
            OSError: the folder cannot be written.
        """
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
    """Escaped text, without the control characters that HTML forbids."""
    return html.escape(re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]", "\N{REPLACEMENT CHARACTER}", text))


def _thumbnail(picture: Thumbnail) -> str:
    image = "" if picture.image is None else f'<img src="{_data_url(picture.image)}" alt="{_text(picture.alt)}">'
    return f"<figure>{image}<figcaption>{_text(picture.caption)}</figcaption></figure>"


def _data_url(image: bytes) -> str:
    return f"data:{_media_type(image)};base64,{base64.b64encode(image).decode('ascii')}"


def _table_row(cells: Sequence[str], classes: Sequence[str]) -> str:
    first = f'<th scope="row"{classes[0]}>{_text(cells[0])}</th>'
    rest = "".join(f"<td{css}>{_text(cell)}</td>" for cell, css in zip(cells[1:], classes[1:], strict=True))
    return f"<tr>{first}{rest}</tr>"


def _media_type(image: bytes) -> str:
    if image.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if image.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if b"<svg" in image[:2000]:
        return "image/svg+xml"
    raise ValueError("a figure of a report must be a PNG, a JPEG or an SVG file")


def _png_size(image: bytes) -> tuple[int, int] | None:
    """(width, height) in pixels of a PNG; None for the other formats."""
    if not image.startswith(b"\x89PNG") or len(image) < 24:
        return None
    width, height = struct.unpack(">II", image[16:24])
    return width, height
