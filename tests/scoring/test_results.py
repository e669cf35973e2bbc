"""Oracles: the columns of the command's CSV, and a parser of HTML."""

import html.parser
import io
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from linearityiqa.errors import MissingExtraError
from linearityiqa.images import Normalisation
from linearityiqa.mapping import LinearMapping
from linearityiqa.quality import QualityScale, QualityScores
from linearityiqa.scoring import COLUMNS, Details, ImageScore, ImageScores, Scorer
from linearityiqa.scoring.results import MOST_SHOWN
from pixel_runtime import PixelRuntime, make_record

SCORED = ImageScore(
    "a.png", 61.25, 60.0, 62.5, on_scale=True, notes=("EXIF orientation applied", "16-bit"), quality="good"
)
FAILED = ImageScore("b.png", error="b.png is empty")


class Page(html.parser.HTMLParser):
    """The tags, attributes and texts of a piece of HTML."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_a_frame_has_the_columns_of_the_command() -> None:
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    frame = ImageScores([SCORED, FAILED]).to_frame()
    assert tuple(frame.columns) == COLUMNS
    assert frame["path"].tolist() == ["a.png", "b.png"]
    assert frame["score"].dtype == np.float64
    assert np.array_equal(frame["score"], [61.25, np.nan], equal_nan=True)
    assert frame["on_scale"].tolist() == [True, pandas.NA]
    assert frame["quality"].fillna("-").tolist() == ["good", "-"]
    assert frame["notes"].tolist() == ["EXIF orientation applied; 16-bit", ""]
    assert frame["error"].isna().tolist() == [True, False]
    assert tuple(ImageScores().to_frame().columns) == COLUMNS


def test_a_frame_has_uncertainty_where_it_was_asked_for(runtime: PixelRuntime, photos: list[Path]) -> None:
    pytest.importorskip("pandas", reason="pandas is not installed")
    results = Scorer(runtime)(photos, Details(uncertainty=True))
    assert results.to_frame()["uncertainty"].tolist() == pytest.approx([result.uncertainty for result in results])


def test_without_pandas_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingExtraError, match=r"needs pandas.*pip install 'linearityiqa\[metrics\]'"):
        ImageScores([SCORED]).to_frame()


def test_every_row_has_the_grade_of_its_score() -> None:
    """Oracle: fifths of the scale, 0..10 here, where the score is ten times the mean of the pixels."""
    for level, word in ((0, "bad"), (64, "poor"), (128, "fair"), (180, "good"), (255, "excellent")):
        record = replace(make_record(QualityScale(low=0, high=10)), normalisation=Normalisation((0, 0, 0), (1, 1, 1)))
        record = replace(record, mapping=QualityScores(*[LinearMapping(10.0, 0.0)] * 3))
        pixels = np.full((24, 24, 3), level, np.uint8)
        results = {opinions: Scorer(PixelRuntime(replace(record, opinions=opinions)))(pixels)[0] for opinions in (1, 0)}
        assert [results[True].quality, results[False].quality] == [word, None]
        assert results[True].as_dict()["quality"] == word


def test_in_words() -> None:
    assert repr(ImageScores([SCORED, FAILED])) == "<2 images, median score 61.25, 1 failed>"
    assert repr(ImageScores([FAILED])) == "<1 image, 1 failed>"
    assert repr(ImageScores()) == "<0 images>"


def test_a_notebook_shows_thumbnails_scores_and_reasons(runtime: PixelRuntime, photos: list[Path]) -> None:
    results = Scorer(runtime)([photos[0], b"broken", np.zeros((20, 20))])
    page = Page(results._repr_html_())
    assert page.tags.count("tr") == 4
    assert page.tags.count("img") == 2
    assert f"{results[0].score:#.4g}" in page.texts
    assert any("is not an image" in text for text in page.texts)
    assert Page(results[0]._repr_html_()).tags.count("tr") == 2


def test_names_are_escaped() -> None:
    evil = ImageScore("<script>alert(1)</script>&'\"\udcff", 1.0, error="<img src=x onerror=alert(1)>")
    text = ImageScores([evil])._repr_html_()
    page = Page(text)
    assert set(page.tags) == {"table", "caption", "tr", "th", "td"}
    assert {name for name, _ in page.attributes} == {"style"}
    assert any(part.startswith("<script>alert(1)</script>&'\"") for part in page.texts)
    text.encode("utf-8")


def test_of_many_images_a_notebook_shows_the_first_and_the_last() -> None:
    results = ImageScores(ImageScore(f"{i}.png", float(i)) for i in range(1000))
    page = Page(results._repr_html_())
    assert page.tags.count("tr") == MOST_SHOWN + 2
    assert {"0.png", "999.png", f"... {1000 - MOST_SHOWN} more ..."} <= set(page.texts)


def test_a_map_is_a_picture_in_a_notebook(runtime: PixelRuntime, photos: list[Path]) -> None:
    (result,) = Scorer(runtime)(photos[0], Details(maps=True))
    assert result.quality_map is not None
    shown = Image.open(io.BytesIO(result.quality_map._repr_png_()))
    assert np.array_equal(np.asarray(shown), np.asarray(result.quality_map.picture()))
