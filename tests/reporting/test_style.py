"""Oracles: the bytes themselves (PDF and PNG structure), and equality of two drawings of the same numbers."""

import re
import subprocess
import sys
import zlib
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest

from linearityiqa.reporting import COLUMN_WIDTH, Cloud, convergence, figure_bytes, save_figure, scatter_grid
from linearityiqa.reporting.style import SERIES_STYLES

RUNS = {"mae": {"SROCC": [0.1, 0.5, 0.6]}, "norm-in-norm": {"SROCC": [0.6, 0.7, 0.75]}}


def small_figure():
    return convergence(RUNS, metrics=("SROCC",), width=COLUMN_WIDTH)


@pytest.mark.parametrize("file_format", ["png", "pdf", "svg"])
def test_equal_numbers_give_equal_bytes(file_format):
    assert figure_bytes(small_figure(), file_format) == figure_bytes(small_figure(), file_format)


def test_pdf_has_truetype_fonts_and_no_date():
    content = figure_bytes(small_figure(), "pdf")
    assert b"/FontFile2" in content  # TrueType; Type 3 fonts have no font file
    assert b"/Type3" not in content
    assert b"CreationDate" not in content


def test_pdf_page_is_as_wide_as_the_column():
    box = re.search(rb"/MediaBox \[ ?0 0 ([0-9.]+) ([0-9.]+)", figure_bytes(small_figure(), "pdf"))
    assert float(box.group(1)) == pytest.approx(72 * COLUMN_WIDTH, abs=0.1)


def test_png_has_at_least_200_dots_an_inch():
    content = figure_bytes(small_figure())
    place = content.index(b"pHYs")
    dots_per_metre = int.from_bytes(content[place + 4 : place + 8], "big")
    assert dots_per_metre * 0.0254 >= 200


def test_users_settings_change_nothing():
    expected = figure_bytes(small_figure())
    with mpl.rc_context({"font.size": 20, "lines.linewidth": 5, "savefig.dpi": 30}):
        assert figure_bytes(small_figure()) == expected
        assert mpl.rcParams["font.size"] == 20  # and the user's settings stay as they were


def test_save_writes_both_files(tmp_path):
    paths = save_figure(small_figure(), tmp_path / "new", "fig1")
    assert [path.name for path in paths] == ["fig1.pdf", "fig1.png"]
    assert paths[0].read_bytes().startswith(b"%PDF")
    assert paths[1].read_bytes().startswith(b"\x89PNG")


def test_dense_clouds_are_pixels_in_the_pdf():
    rng = np.random.default_rng(0)
    mos = rng.uniform(1, 100, 2015)
    content = figure_bytes(scatter_grid([[Cloud("", mos, mos)]]), "pdf")
    streams = b"".join(_inflated(content))
    assert b"/Subtype /Image" in content
    assert streams.count(b" Do") < 50  # 2015 vector dots would be 2015 of these
    assert len(content) < 300_000


def test_every_series_differs_in_colour_dashes_and_marker():
    for attribute in ("colour", "dashes", "marker", "hatch"):
        assert len({getattr(style, attribute) for style in SERIES_STYLES}) == len(SERIES_STYLES)


def test_importing_the_package_needs_neither_torch_nor_matplotlib():
    code = (
        "import sys, linearityiqa.reporting;assert not {'torch', 'matplotlib'} & set(sys.modules), sorted(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parent)


def _inflated(content: bytes) -> list[bytes]:
    streams = []
    for match in re.finditer(rb"stream\r?\n(.*?)endstream", content, re.DOTALL):
        try:
            streams.append(zlib.decompress(match.group(1)))
        except zlib.error:
            continue
    return streams
