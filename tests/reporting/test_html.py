"""Oracle: Python's HTML parser reads back the text, the structure and the embedded bytes."""

import base64
import re
import shutil
import subprocess
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linearityiqa.reporting import HtmlReport, Table, convergence, figure_bytes

VOID = {"meta", "img", "link", "br"}
printing = pytest.mark.skipif(
    not (shutil.which("chromium") and shutil.which("pdftotext")), reason="needs Chromium and Poppler's pdftotext"
)


class Reader(HTMLParser):
    """Collects elements and text; fails on a closing tag that closes nothing."""

    def __init__(self, page):
        super().__init__()
        self.open, self.elements, self.texts = [], [], []
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)

    def all(self, name):
        return [attributes for tag, attributes in self.elements if tag == name]


def full_report():
    report = HtmlReport("Title & more", "A <lead>.")
    for heading in ("Runs", "Runs", "Übersicht!"):
        report.section(heading)
    report.subsection("part")
    report.paragraph("5 < 6")
    report.notice("one run failed")
    report.bullets(["a", "b"])
    report.facts({"device": "cpu", "n": 3})
    report.code("linearityiqa demo\n")
    report.table(Table("Agreement", ["loss", "SROCC"], [["mae", 0.9], ["mse", None]]))
    return report


def test_page_is_well_formed_and_self_contained():
    image = figure_bytes(convergence({"a": {"SROCC": [0.5]}}, metrics=("SROCC",)), dpi=40)
    report = full_report()
    report.figure(image, alt="a curve", caption="Figure 1")
    page = report.to_html()
    reader = Reader(page)
    assert page.startswith("<!DOCTYPE html>")
    assert reader.all("html")[0]["lang"] == "en"
    assert not reader.all("script")
    assert not reader.all("link")
    (picture,) = reader.all("img")
    kind, data = picture["src"].split(",")
    assert kind == "data:image/png;base64"
    assert base64.b64decode(data) == image
    assert picture["alt"] == "a curve"
    assert "http" not in page.replace("http-equiv", "")


def test_headings_have_unique_anchors_and_the_contents_link_to_them():
    reader = Reader(full_report().to_html())
    anchors = [heading["id"] for heading in reader.all("h2")]
    assert len(set(anchors)) == 3
    assert [link["href"] for link in reader.all("a")] == [f"#{anchor}" for anchor in anchors]


def test_text_reads_back_and_tables_have_caption_and_scopes():
    reader = Reader(full_report().to_html())
    scopes = [cell["scope"] for cell in reader.all("th")]
    assert scopes == ["col", "col", "row", "row"]
    assert {"Title & more", "A <lead>.", "5 < 6", "linearityiqa demo\n", "Agreement", "0.9000"} <= set(reader.texts)


@given(st.text())
def test_any_text_is_shown_and_never_markup(text):
    report = HtmlReport(text or "t")
    report.paragraph(text)
    report.code(text, label=text)
    report.bullets([text])
    report.facts({text: text})
    report.table(Table(text, [text], [[text]]))
    reader = Reader(report.to_html())
    allowed = {"html", "head", "meta", "title", "style", "body", "header", "h1", "main", "p", "pre", "code", "ul", "li"}
    allowed |= {"dl", "dt", "dd", "div", "table", "caption", "thead", "tr", "th", "tbody"}
    assert {tag for tag, _ in reader.elements} <= allowed


def test_an_svg_is_embedded_and_other_bytes_are_refused():
    report = HtmlReport("t")
    report.figure(b'<?xml version="1.0"?><svg xmlns="x"></svg>', alt="drawing", width=300)
    (picture,) = Reader(report.to_html()).all("img")
    assert picture["src"].startswith("data:image/svg+xml;base64,")
    assert picture["width"] == "300"
    with pytest.raises(ValueError, match="must be a PNG"):
        report.figure(b"GIF89a", alt="x")
    with pytest.raises(ValueError, match="alternative text"):
        report.figure(b"\x89PNG\r\n\x1a\n", alt=" ")


def test_write_is_utf8(tmp_path):
    full_report().write(tmp_path / "new" / "report.html")
    assert "Übersicht!" in (tmp_path / "new" / "report.html").read_text(encoding="utf-8")


def test_several_notices_are_one_list():
    report = HtmlReport("Title")
    report.notice()
    report.notice("one run <failed>", "another too")
    reader = Reader(report.to_html())
    assert [item["class"] for item in reader.all("ul")] == ["notice"]
    assert {"one run <failed>", "another too"} <= set(reader.texts)


@pytest.mark.parametrize(
    ("rows", "classes", "columns"),
    [
        ([["mae", "Norm-in-Norm", 0.5]], "scroll brief", ["short", "short", "number"]),
        ([["mae", "figure 6; table 2, as corrected by the authors", 0.5]] * 30, "scroll", ["short", None, "number"]),
        ([["a" * 50, "b" * 50, 0.5]], "scroll brief wide", [None, None, "number"]),
    ],
)
def test_a_table_says_what_paper_must_do_with_it(rows, classes, columns):
    """Short texts stay in one line, few rows on one page; only a row too long for paper may be broken."""
    report = HtmlReport("Title")
    report.table(Table("Agreement", ["loss", "source", "SROCC"], rows))
    reader = Reader(report.to_html())
    assert [box["class"] for box in reader.all("div")] == [classes]
    assert [head.get("class") for head in reader.all("th")[:3]] == columns


def test_a_table_without_rows_is_written():
    report = HtmlReport("Title")
    report.table(Table("Nothing", ["loss", "SROCC"], []))
    assert "SROCC" in Reader(report.to_html()).texts


@printing
@pytest.mark.parametrize("paper", ["A4", "Letter"])
def test_printed_no_heading_is_orphaned_and_no_column_cut_off(paper, tmp_path):
    """Oracle: the text of each page of Chromium's PDF, as Poppler reads it."""
    report = HtmlReport("Printed")
    image = figure_bytes(convergence({"a": {"SROCC": [0.5]}}))
    columns = ["Method", *(f"figure {number}" for number in range(9)), "Last"]
    for number in range(8):
        report.section(f"Heading {number}")
        report.figure(image, alt="a curve", caption=f"Below heading {number}")
        report.table(Table(f"Table {number}", columns, [["norm-in-norm-resnet18", *[0.123456] * 9, f"end{number}"]]))
    page = tmp_path / "report.html"
    page.write_text(report.to_html().replace("@page {", f"@page {{ size: {paper};"), encoding="utf-8")
    text = printed(page)
    pages = [sheet for sheet in text.split("\f") if sheet.strip()]
    assert len(pages) > 3
    for number in range(8):
        (sheet,) = [sheet for sheet in pages if f"Below heading {number}" in sheet]
        assert f"Heading {number}\n" in sheet
        assert f"end{number}" in text


def printed(page):
    """Return the text of a page as Chromium prints it, with form feeds between the sheets."""
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
               "--disable-component-update", "--disable-sync", "--no-pdf-header-footer"]  # fmt: skip
    target, profile = page.with_suffix(".pdf"), page.with_name("profile")
    subprocess.run(
        ["chromium", *options, f"--user-data-dir={profile}", f"--print-to-pdf={target}", page.as_uri()],
        check=True, capture_output=True, timeout=120,
    )  # fmt: skip
    return subprocess.run(["pdftotext", "-layout", target, "-"], check=True, capture_output=True, text=True).stdout


@printing
def test_printed_no_table_is_parted_from_its_caption_or_after_a_row(tmp_path):
    """Oracle: the text of each sheet; tables that begin at any height of a sheet."""
    report, rows = HtmlReport("Printed"), [[f"row{row:02d}", 0.5] for row in range(16)]
    for number in range(24):
        report.paragraph("a line between")
        report.table(Table(f"Table {number}.", ["name", "value"], rows))
    report.write(tmp_path / "report.html")
    sheets = printed(tmp_path / "report.html").split("\f")
    assert len([sheet for sheet in sheets if sheet.strip()]) > 5
    for sheet in sheets:
        parts = re.split(r"Table \d+\.", sheet)
        counts = [len(re.findall(r"row\d\d", part)) for part in parts]
        assert counts[0] == 0 or counts[0] >= 3  # the rest of a table
        assert all(count >= 3 for count in counts[1:])  # behind a caption
