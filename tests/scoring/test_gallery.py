"""The page of all photographs. Oracle: the results that went in, and Pillow's view of the pictures that came out."""

import base64
import hashlib
import io
import os
import re
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gallery_file import read_page
from linearityiqa.errors import OutputError
from linearityiqa.images.thumbnails import Thumbnail, thumbnail
from linearityiqa.quality import GRADES, QualityScale
from linearityiqa.scoring import Details, ImageScore, Scorer, gallery
from linearityiqa.scoring.gallery import Gallery
from linearityiqa.scoring.pictures import QualityMap, cells_of, cells_of_file
from linearityiqa.scoring.results import write_map
from pictures import make_picture
from pixel_runtime import PixelRuntime, make_record

RECORD = make_record()
HOSTILE = "a/</script><script>alert(1)</script><!--<img src=x onerror=alert(1)>\"'&\u2028.jpg"


def write(path: Path, results: list[ImageScore], **options: bool) -> None:
    page = Gallery(path, RECORD, 10**8)
    for result in results:
        page.add(result)
    page.write(**options)
    page.close()


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.chdir(tmp_path)
    names = []
    for i, size in enumerate([(600, 900), (300, 200), (40, 60)]):
        names.append(f"{i}.jpg")
        make_picture(i, size).save(names[-1], quality=90)
    return names


def test_rows_stand_worst_first_with_what_is_known_of_them(tmp_path, photos) -> None:
    asked = Details(uncertainty=True, maps=True, thumbnails=True)
    Path("broken.jpg").write_bytes(b"no image")
    results = list(Scorer(PixelRuntime()).score_many([*photos, "broken.jpg"], asked))
    write(tmp_path / "page.html", results)
    page = read_page(tmp_path / "page.html")
    scored = sorted(results[:3], key=lambda result: result.score)
    assert [row["path"] for row in page.rows] == [*(result.path for result in scored), "broken.jpg"]
    for row, result in zip(page.rows, scored, strict=False):
        assert (row["score"], row["uncertainty"]) == (result.score, result.uncertainty)
        assert GRADES[row["grade"]] == RECORD.grade(result.score)
        with Image.open(result.path) as original:
            assert row["size"] == [*original.size]
            for name, most in (("picture", 224 * 168), ("preview", 1024 * 768)):
                copy = Image.open(io.BytesIO(page.picture(row, name)))
                assert copy.width * copy.height <= 1.02 * most
                assert copy.width / copy.height == pytest.approx(original.width / original.height, rel=0.02)
                again = np.asarray(original.convert("L").resize(copy.size), dtype=float)
                assert np.abs(np.asarray(copy.convert("L"), dtype=float) - again).mean() < 6
        loss = np.frombuffer(base64.b64decode(row["map"]["loss"]), np.uint8)
        assert loss == pytest.approx(255 * result.quality_map.loss.ravel(), abs=0.51)
        assert row["map"]["best"] == pytest.approx(result.quality_map.values.max())
    assert page.rows[3]["error"] == results[3].error
    assert page.rows[3]["picture"] is None
    tenth, median, ninetieth = np.percentile([result.score for result in scored], (10, 50, 90))
    assert page.facts["quantiles"] == [f"{value:.2f}" for value in (tenth, median, ninetieth)]


def test_what_a_file_is_called_stays_text(tmp_path) -> None:
    write(tmp_path / "page.html", [ImageScore(HOSTILE, error=HOSTILE), ImageScore(os.fsdecode(b"caf\xe9"), score=1.0)])
    page = read_page(tmp_path / "page.html")
    assert [row["path"] for row in page.rows] == [os.fsdecode(b"caf\xe9"), HOSTILE]
    assert "alert(1)</script>" not in page.text
    # the only script that runs is ours: its digest is the only one that the policy allows
    (script,) = re.findall(r"<script>(.*?)</script>", page.text, flags=re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}';" in page.policy
    assert "default-src 'none';" in page.policy
    assert "unsafe" not in page.policy
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)|\bon\w+=\"|style=\"|innerHTML|\beval\(", page.text)


def test_rows_of_an_earlier_run_get_the_same_pictures_from_the_files(tmp_path, photos) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter
    make_picture(9, (300, 500)).save("turned.jpg", exif=exif)
    asked = Details(maps=True, thumbnails=True)
    results = list(Scorer(PixelRuntime()).score_many([*photos, "turned.jpg"], asked))
    write(tmp_path / "new.html", results)
    stored = [write_map(tmp_path / "maps", result) for result in results]
    page = Gallery(tmp_path / "old.html", RECORD, 10**8)
    page.add_stored(ImageScore(row.path, row.score, map_file=row.map_file, notes=row.notes) for row in stored)
    page.add_stored([ImageScore("gone.jpg", 50.0, map_file="gone.png")])
    page.write()
    new, old = read_page(tmp_path / "new.html"), read_page(tmp_path / "old.html")
    rows = {row["path"]: row for row in old.rows}
    assert not rows["gone.jpg"].keys() & {"map", "size"}
    for row in new.rows:
        other = rows[row["path"]]
        assert other["size"] == row["size"]
        one, two = (
            np.asarray(Image.open(io.BytesIO(page.picture(r))).convert("L"), dtype=float)
            for page, r in ((new, row), (old, other))
        )
        assert one.shape == two.shape
        assert np.abs(one - two).mean() < 7  # of different pictures about 40
        assert other["map"]["best"] == pytest.approx(row["map"]["best"], rel=1e-5)


def test_a_maps_picture_tells_how_much_is_lost_where(tmp_path) -> None:
    values = np.linspace(20, 90, 12, dtype=np.float32).reshape(3, 4)
    quality_map = QualityMap(values, make_picture(1, (96, 128)), QualityScale(low=1, high=100))
    (tmp_path / "map.png").write_bytes(quality_map.png())
    few = cells_of_file(tmp_path / "map.png", 10**8)
    # the picture blends the cells: those of one row and column further in keep their values
    shown = np.asarray(Image.fromarray(few.loss).resize((4, 3), Image.Resampling.BOX), dtype=float) / 255
    assert shown == pytest.approx(quality_map.loss, abs=0.09)
    assert (few.best, few.worst) == (90, 20)
    assert cells_of(quality_map).loss == pytest.approx(255 * quality_map.loss, abs=0.51)


def test_the_page_has_a_largest_size_and_the_worst_keep_their_pictures(tmp_path, monkeypatch) -> None:
    picture = thumbnail(make_picture(3, (400, 600)))
    results = [ImageScore(f"{i}.jpg", float(i), thumbnail=picture) for i in range(300)]
    write(tmp_path / "page.html", results)
    page = read_page(tmp_path / "page.html")
    assert len(page.picture(page.rows[0])) > 1000
    monkeypatch.setattr(gallery, "MAX_BYTES", 250_000)
    write(tmp_path / "page.html", results)
    assert (tmp_path / "page.html").stat().st_size <= 250_000
    page = read_page(tmp_path / "page.html")
    shown = [page.picture(row) is not None for row in page.rows]
    assert shown == sorted(shown, reverse=True)
    assert 30 < sum(shown) < 300
    assert page.facts["without"] == 300 - sum(shown)


def test_memory_does_not_grow_with_the_pictures(tmp_path) -> None:
    picture = Thumbnail(bytes(100_000), (400, 300))
    page = Gallery(tmp_path / "page.html", RECORD, 10**8)
    tracemalloc.start()
    for i in range(300):  # 30 MB
        page.add(ImageScore(f"{i}.jpg", 50.0, thumbnail=picture))
    grown = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    page.close()
    assert grown < 2_000_000


def test_a_stopped_run_says_so_and_an_empty_page_is_one(tmp_path) -> None:
    write(tmp_path / "page.html", [ImageScore("a.jpg", 1.0)], stopped=True)
    assert read_page(tmp_path / "page.html").facts["stopped"] is True
    write(tmp_path / "page.html", [])
    assert read_page(tmp_path / "page.html").rows == []


def test_a_folder_that_cannot_be_written_is_told_before_anything_is_scored(tmp_path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError, match="cannot write the report"):
        Gallery(tmp_path / "file" / "page.html", RECORD, 10**8)
