"""Photographs of one moment. Oracle: pictures made here, of which it is known when each was taken and what it shows."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image

from gallery_file import read_page
from linearityiqa.images.conversion import time_taken
from pictures import make_picture

Run = Callable[..., tuple[int, list[dict[str, str]], str]]
PHOTOGRAPHS = {  # what it shows, how much darker it is, when it was taken
    "a1.jpg": (1, 30, "2026:05:01 10:00:00"),
    "other.jpg": (2, 0, "2026:05:01 10:00:02"),
    "a2.jpg": (1, 0, "2026:05:01 10:00:09"),
    "later.jpg": (1, 10, "2026:05:01 11:00:00"),
    "a3.jpg": (1, 60, "2026:05:01 10:00:18"),  # within seconds of the second alone
    "undated1.png": (1, 20, None),
    "undated2.jpg": (1, 40, "0000:00:00 00:00:00"),
}
GROUPS = {"a1.jpg": 1, "other.jpg": 2, "a2.jpg": 1, "later.jpg": 3, "a3.jpg": 1, "undated1.png": 4, "undated2.jpg": 4}
BEST = ["other.jpg", "a2.jpg", "later.jpg", "undated1.png"]


def save(name: str, shows: int, darker: int, taken: str | None) -> None:
    pixels = np.clip(np.asarray(make_picture(shows), dtype=int) - darker, 0, 255).astype(np.uint8)
    exif = Image.Exif()
    if taken is not None:
        exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = taken
    Image.fromarray(pixels).save(name, exif=exif)


@pytest.fixture
def run(score: Callable[..., tuple[int, str, str]]) -> Run:
    """Run the command on these photographs; a brighter one scores higher: (exit status, rows, notices)."""
    for name, photograph in PHOTOGRAPHS.items():
        save(name, *photograph)
    Path("m.safetensors").write_bytes(b"a model")

    def run(*words: str) -> tuple[int, list[dict[str, str]], str]:
        status, out, err = score("--csv", *words)
        return status, list(csv.DictReader(out.splitlines())), err

    return run


def test_one_moment_is_alike_and_within_seconds_or_alike_without_a_time(run: Run) -> None:
    _, rows, err = run(*PHOTOGRAPHS, "--bursts")
    assert {row["path"]: int(row["group"]) for row in rows} == GROUPS
    assert [row["path"] for row in rows if row["best"] == "true"] == BEST
    assert "2 bursts of several photographs among 7" in err


def test_of_each_moment_the_best_alone_is_printed(run: Run) -> None:
    assert [row["path"] for row in run(*PHOTOGRAPHS, "--best_of_bursts")[1]] == BEST


def test_an_image_that_cannot_be_decoded_is_of_no_group(run: Run) -> None:
    Path("broken.png").write_bytes(b"")
    status, rows, _ = run("broken.png", "a1.jpg", "a2.jpg", "--bursts")
    assert status == 1
    assert [(row["group"], row["best"]) for row in rows] == [("", ""), ("1", "false"), ("1", "true")]


def test_a_table_and_json_say_the_group_too(run: Run, score: Callable[..., tuple[int, str, str]]) -> None:
    lines = score("a1.jpg", "a2.jpg", "--bursts")[1].splitlines()
    assert [line.split()[-3:] for line in lines[:3:2]] == [["group", "best", "image"], ["1", "best", "a2.jpg"]]
    assert lines[1].split()[-2:] == ["1", "a1.jpg"]
    rows = map(json.loads, score("a1.jpg", "a2.jpg", "--bursts", "--json")[1].splitlines())
    assert [(row["group"], row["best"]) for row in rows] == [(1, False), (1, True)]


def test_groups_span_the_rows_of_earlier_runs_and_are_no_columns_of_the_output(run: Run) -> None:
    run("a1.jpg", "other.jpg", "--output", "scores.csv")
    _, rows, _ = run(*PHOTOGRAPHS, "--output", "scores.csv", "--bursts")
    assert {row["path"]: int(row["group"]) for row in rows} == GROUPS
    assert "group" not in Path("scores.csv").read_text().splitlines()[0]
    Path("a1.jpg").unlink()  # its row stays: alone, since it cannot be looked at any more
    assert {row["path"] for row in run("a2.jpg", "--output", "scores.csv", "--best_of_bursts")[1]} == {*BEST, "a1.jpg"}


def test_the_report_says_the_place_in_the_burst_and_the_lead(run: Run) -> None:
    _, rows, _ = run(*PHOTOGRAPHS, "--bursts", "--report", "page.html", "--uncertainty")
    scores = {row["path"]: (float(row["score"]), float(row["uncertainty"])) for row in rows}
    page = {row["path"]: row.get("burst") for row in read_page(Path("page.html")).rows}
    for order in (["a2.jpg", "a1.jpg", "a3.jpg"], ["undated1.png", "undated2.jpg"]):
        for rank, (path, following) in enumerate(zip(order, [*order[1:], None], strict=True), start=1):
            lead = None if following is None else scores[path][0] - scores[following][0]
            clear = None if following is None else lead > max(scores[path][1], scores[following][1])
            expected = {"group": GROUPS[path], "rank": rank, "size": len(order), "lead": lead, "clear": clear}
            assert page[path] == expected
    assert page["other.jpg"] is page["later.jpg"] is None
    run(*PHOTOGRAPHS, "--bursts", "--report", "page.html")  # nothing says the spread
    assert {row["burst"]["clear"] for row in read_page(Path("page.html")).rows if "burst" in row} == {None}


def test_a_cluster_groups_nothing(run: Run) -> None:
    status, _, err = run("a1.jpg", "--ray", "local", "--output", "rows", "--bursts")
    assert status == 2
    assert "--ray groups no photographs" in err


@pytest.mark.parametrize("taken", ["", "yesterday", "2026:13:01 10:00:00", "0000:00:00 00:00:00"])
def test_a_time_that_is_none_is_not_known(taken: str) -> None:
    image = Image.new("RGB", (2, 2))
    image.getexif().get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = taken
    assert time_taken(image) is None
