"""Oracles: the order of numpy's residuals, and the pictures as Pillow reads them back."""

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image

from linearityiqa.reporting import Table
from linearityiqa.reporting.diagnosis import Method
from linearityiqa.reporting.evaluation_report import WORST, ReportContent, evaluation_report, thumbnail

N = 20


@pytest.fixture
def content():
    rng = np.random.default_rng(1)
    mos = rng.uniform(0, 100, N)
    methods = [Method(name, mos + rng.normal(0, 10, N), mos, lambda x: x) for name in ("ours", "<theirs>")]
    return ReportContent(
        title="Report",
        lead="Two methods.",
        names=[f"photo{row:02d}.png" for row in range(N)],
        methods=methods,
        mapping="linear",
        agreement=[Table("Agreement", ["method", "SROCC"], [["ours", 0.9]])],
        comparison=[Table("Differences", ["pair", "SROCC"], [["ours - theirs", 0.1]])],
        verdicts=["No difference shown."],
    )


def test_the_worst_images_come_first(content):
    page = evaluation_report(content).to_html()
    residuals = np.abs(content.methods[0].residuals)
    expected = [content.names[row] for row in np.argsort(-residuals)[:WORST]]
    assert re.findall(r"<figcaption>(photo\d\d\.png): predicted", page)[:WORST] == expected


def test_names_are_escaped_and_nothing_is_fetched(content):
    page = evaluation_report(content).to_html()
    assert "<theirs>" not in page
    assert "&lt;theirs&gt;" in page
    assert not re.search(r'(src|href)="(?!data:|#)', page)


def test_a_single_method_has_no_comparison(content):
    single = ReportContent(
        title="Report", lead="", names=content.names, methods=content.methods[:1], mapping="linear",
        agreement=content.agreement,
    )  # fmt: skip
    assert "Comparison" not in evaluation_report(single).to_html()


def test_thumbnails_are_of_the_images(content, photo_database):
    page = evaluation_report(content, photo_database.parent / "images").to_html()
    pictures = re.findall(r'<img src="data:image/jpeg;base64,([^"]+)" alt="Image', page)
    assert len(pictures) == 2 * WORST
    assert Image.open(io.BytesIO(base64.b64decode(pictures[0]))).size == (64, 48)


def test_large_images_shrink(tmp_path):
    Image.new("RGB", (2000, 1000), "red").save(tmp_path / "large.png")
    found = thumbnail(tmp_path, "large.png")
    assert found is not None
    assert Image.open(io.BytesIO(found)).size == (320, 160)


@pytest.mark.parametrize("name", ["missing.png", "../outside.png", "/etc/hostname", "text.png"])
def test_what_is_no_image_of_the_folder_has_no_thumbnail(tmp_path, name):
    folder = tmp_path / "images"
    folder.mkdir()
    (folder / "text.png").write_text("no image")
    Image.new("RGB", (8, 8)).save(tmp_path / "outside.png")
    assert thumbnail(folder, name) is None
