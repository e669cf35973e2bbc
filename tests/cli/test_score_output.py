"""Oracle: what the command prints; what one run without a stop writes; the library's own scores."""

import csv
import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from gallery_file import read_page
from linearityiqa.scoring import Details, Scorer
from pixel_runtime import PixelRuntime

Score = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path) -> Path:
    (tmp_path / "photos").mkdir()
    for i in range(9):
        Image.new("RGB", (20, 20 + 2 * (i % 3)), (20 * i, 200, 250)).save(tmp_path / "photos" / f"{i}.png")
    (tmp_path / "m.safetensors").write_bytes(b"a model")
    return tmp_path


def test_the_file_holds_what_would_be_printed(score: Score) -> None:
    for word, name in (("--csv", "s.csv"), ("--json", "s.jsonl")):
        status, printed, _ = score(word, "photos")
        assert status == 0
        status, out, err = score("photos", "--output", name)
        assert (status, out) == (0, "")
        assert f"{name}: 9 images appended" in err
        assert Path(name).read_text() == printed


def test_parquet_holds_it_too(score: Score) -> None:
    table = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    _, printed, _ = score("--json", "photos")
    assert score("photos", "--output", "scores")[0] == 0
    assert table.read_table("scores").to_pylist() == [json.loads(line) for line in printed.splitlines()]


def test_a_full_disk_is_no_success_first(score: Score, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("linearityiqa.scores.parquet.write_part", full)
    status, _, err = score("photos", "--output", "scores")
    assert status == 1
    assert "error: cannot write scores: No space left on device" in err
    assert "appended" not in err


def test_new_images_are_appended_and_failures_counted_again(score: Score) -> None:
    Path("photos/3.png").write_bytes(b"")
    status, _, err = score("photos/1.png", "photos", "photos", "--output", "s.csv")
    assert status == 1
    assert "9 images appended" in err
    assert "1 of 9 images could not be scored" in err
    Path("photos/00.png").write_bytes(Path("photos/1.png").read_bytes())
    status, _, err = score("photos", "--output", "s.csv")
    assert status == 1
    again = "1 scored again that had failed or whose files have changed"
    assert f"s.csv: 1 images appended, {again}, 8 kept" in err
    assert "1 of 10 images could not be scored" in err
    Path("photos/3.png").write_bytes(Path("photos/1.png").read_bytes())
    status, _, err = score("photos", "--output", "s.csv")
    assert status == 0
    assert "1 scored again" in err
    with Path("s.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["path"] for row in rows] == [f"photos/{i}.png" for i in ("1", *"0245678", "00", "3")]
    assert not any(row["error"] for row in rows)


def test_another_model_is_refused(score: Score) -> None:
    score("photos", "--output", "s.csv")
    Path("m.safetensors").write_bytes(b"another model")
    status, _, err = score("photos", "--output", "s.csv")
    assert status == 1
    assert "error: s.csv holds scores made with another model_sha256" in err
    assert score("photos", "--output", "s.csv", "--fresh")[0] == 0
    for words in (("--uncertainty",), ("--resize",), ("--max_megapixels", "1")):
        assert score("photos", "--output", "s.csv", *words)[0] == 1


def test_uncertainty_is_a_column_on_request(score: Score) -> None:
    expected = Scorer(PixelRuntime()).score_many(sorted(map(str, Path("photos").iterdir())), Details(uncertainty=True))
    _, out, _ = score("photos", "--json", "--uncertainty")
    assert [json.loads(line)["uncertainty"] for line in out.splitlines()] == [row.uncertainty for row in expected]
    assert "uncertainty" not in score("photos", "--json")[1]
    assert score("photos", "--uncertainty")[1].splitlines()[0].split()[1] == "uncertainty"


def test_pictures_of_the_maps_stand_in_the_rows(score: Score) -> None:
    Path("photos/8.png").write_bytes(b"")
    status, out, _ = score("photos", "--json", "--map", "maps")
    assert status == 1
    *rows, failed = [json.loads(line) for line in out.splitlines()]
    assert failed["map_file"] is None
    files = [row["map_file"] for row in rows]
    assert sorted(files) == sorted(map(str, Path("maps").iterdir()))
    assert all(Image.open(file).width == 20 for file in files)
    assert f"map: {files[0]}" in score("photos", "--map", "maps")[1]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--output", "s.csv", "--json"], "--json and --csv are for what is printed"),
        (["--output", "s.txt"], "must end in .csv, .jsonl or .parquet"),
        (["--fresh"], "--fresh starts --output over"),
        (["--report", "page.pdf"], "must end in .html"),
        (["--worst", "1", "--best", "1"], "exclude each other"),
    ],
)
def test_options_that_do_not_go_together(score: Score, words: list[str], sentence: str) -> None:
    status, out, err = score("photos", *words)
    assert (status, out) == (2, "")
    assert err.startswith("error: ")
    assert sentence in err
    assert err.count("\n") == 1


PROGRAM = """
import sys
from pixel_runtime import PixelRuntime
from gallery_file import read_page
from linearityiqa.cli import main
from linearityiqa.scoring import scorer
scorer.open_runtime = lambda *_, **__: PixelRuntime()
sys.exit(main(["score", "--model", "m.safetensors", "-", *sys.argv[1:]]))
"""


@pytest.mark.parametrize(("name", "how"), [("s.csv", signal.SIGKILL), ("s.jsonl", signal.SIGINT)])
def test_a_stopped_run_goes_on_and_ends_as_if_it_had_not_stopped(
    score: Score, folder: Path, name: str, how: signal.Signals
) -> None:
    listing = folder / "list.txt"
    for i in range(600):
        (folder / f"link{i}.png").symlink_to(folder / "photos" / f"{i % 9}.png")
    listing.write_text("".join(f"link{i}.png\n" for i in range(600)))

    with (
        listing.open() as stream,
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM, "--output", name],
            stdin=stream,
            stderr=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])},
            text=True,
        ) as process,
    ):
        while process.poll() is None and not (Path(name).exists() and Path(name).stat().st_size > 1000):
            time.sleep(0.001)
        process.send_signal(how)
        _, error = process.communicate()
    if Path(name).read_bytes().count(b"\n") < 600:  # it was not faster than the signal
        assert process.returncode == (130 if how is signal.SIGINT else -signal.SIGKILL)
        assert how is signal.SIGKILL or f"error: interrupted; {name} holds the scores so far" in error
    images = listing.read_text().split()
    for output in (name, f"whole-{name}"):
        assert score(*images, "--output", output)[0] == 0
    assert Path(name).read_bytes() == Path(f"whole-{name}").read_bytes()


def test_the_page_of_a_run_that_went_on_is_that_of_a_whole_one(score: Score) -> None:
    Path("photos/3.png").write_bytes(b"")
    score("photos", "--map", "maps", "--output", "whole.csv", "--report", "pages/whole.html")
    score("photos/1.png", "photos/3.png", "photos/5.png", "--map", "maps", "--output", "s.csv")
    status, out, err = score("photos", "--map", "maps", "--output", "s.csv", "--report", "pages/page.html")
    assert (status, out) == (1, "")
    assert "pages/page.html: all images, to be opened in a browser" in err
    whole, page = (read_page(Path(f"pages/{name}.html")) for name in ("whole", "page"))
    assert [row["path"] for row in page.rows] == [row["path"] for row in whole.rows]
    assert len(page.rows) == 9
    for row, other in zip(page.rows, whole.rows, strict=True):
        assert [row.get(name) for name in ("score", "grade", "size", "error")] == [
            other.get(name) for name in ("score", "grade", "size", "error")
        ]
        assert bool(page.picture(row)) == bool(whole.picture(other)) == ("error" not in row)
        assert ("map" in row) == ("error" not in row)
    assert page.facts["folder"] == ".."  # photographs are found from where the page lies
    assert not list(Path("pages").glob(".*"))


def test_the_page_of_a_run_that_is_printed_holds_what_was_scored_before_a_stop(
    score: Score, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(results, form) -> None:
        for _ in itertools.islice(results, 4):
            pass
        raise KeyboardInterrupt

    status, printed, _ = score("photos", "--csv", "--report", "page.html")
    assert (status, printed) == (0, score("photos", "--csv")[1])
    assert len(read_page(Path("page.html")).rows) == 9
    monkeypatch.setattr("linearityiqa.cli.score.print_rows", interrupted)
    status, _, err = score("photos", "--csv", "--report", "page.html")
    assert status == 130
    assert "page.html: the images scored until the stop" in err
    page = read_page(Path("page.html"))
    assert len(page.rows) == 4
    assert page.facts["stopped"] is True


def test_the_page_of_an_output_is_written_before_anything_is_printed(
    score: Score, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unread(results, form) -> None:
        raise BrokenPipeError

    monkeypatch.setattr("linearityiqa.cli.score.print_rows", unread)
    assert score("photos", "--output", "s.csv", "--worst", "1", "--report", "page.html")[0] == 141
    assert len(read_page(Path("page.html")).rows) == 9
