"""What of the scores is printed, and how they are summed up. Oracle: the images' known order by brightness."""

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from linearityiqa.cli import main
from linearityiqa.scoring import scorer
from pixel_runtime import PixelRuntime, make_record

Score = Callable[..., tuple[int, str, str]]
LEVELS = {"c.png": 90, "a.png": 200, "d.png": 10, "b.png": 150}


@pytest.fixture
def score(score: Score) -> Score:
    """Run the command on four images and one that is damaged."""
    for name, level in LEVELS.items():
        Image.new("RGB", (20, 20), (level,) * 3).save(name)
    Path("broken.png").write_bytes(b"")
    Path("m.safetensors").write_bytes(b"a model")
    return lambda *words: score(*LEVELS, "broken.png", *words)


ALL = ["c.png", "a.png", "d.png", "b.png", "broken.png"]
WORST_FIRST = ["d.png", "c.png", "b.png", "a.png"]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], ALL),
        (["--sort", "score"], [*WORST_FIRST, "broken.png"]),
        (["--sort", "name"], sorted(ALL)),
        (["--worst", "2"], WORST_FIRST[:2]),
        (["--best", "3"], WORST_FIRST[::-1][:3]),
        (["--best", "3", "--sort", "name"], ["a.png", "b.png", "c.png"]),
        (["--below", "50"], ["c.png", "d.png"]),
        (["--above", "40", "--below", "60"], ["c.png", "b.png"]),
        (["--above", "40", "--worst", "1"], ["c.png"]),
        (["--worst", "99"], WORST_FIRST),
    ],
)
def test_what_is_printed_and_in_which_order(score: Score, words: list[str], expected: list[str]) -> None:
    status, out, err = score("--json", *words)
    assert [json.loads(line)["path"] for line in out.splitlines()] == expected
    assert status == 1  # of all images, also of those that are not shown
    assert "4 images scored: " in err
    assert err.endswith("; 1 of 5 images could not be scored\n")


@pytest.mark.parametrize("words", [["--worst", "2"], ["--best", "1"], ["--below", "50"], ["--above", "50"]])
@pytest.mark.parametrize("output", [[], ["--output", "s.csv"]])
def test_why_an_image_failed_is_told_whatever_is_selected(score: Score, words: list[str], output: list[str]) -> None:
    _, out, err = score(*words, *output)
    assert "broken.png" not in out
    assert err.count("broken.png is empty (0 bytes). Copy the file again.\n") == 1


def test_a_selection_of_what_an_output_holds_is_printed_as_a_table(score: Score) -> None:
    for name in ("s.csv", "s.jsonl"):
        assert score("--output", name)[1] == ""
        _, out, err = score("--output", name, "--worst", "2")
        assert [line.split()[-1] for line in out.splitlines()] == ["image", *WORST_FIRST[:2]]
        assert "1 of 5 images could not be scored" in err


def test_on_a_terminal_the_summary_ends_the_table(score: Score, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "median" not in score()[1]
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    assert score()[1].splitlines()[-1].startswith("4 images scored: median ")
    assert "median" not in score("--csv")[1]


def test_neither_a_record_nor_a_name_controls_the_terminal(score: Score, monkeypatch: pytest.MonkeyPatch) -> None:
    """Oracle: the lines of a run without them; programs that read CSV get the name as it is."""
    hostile = "d\x1b[2J\nforged.png"
    Path(hostile).write_bytes(Path("d.png").read_bytes())
    monkeypatch.setitem(LEVELS, hostile, LEVELS["d.png"])
    record = replace(make_record(), database="photos\x1b]0;title\x07\nforged")
    monkeypatch.setattr(scorer, "open_runtime", lambda *_, **__: PixelRuntime(record))
    _, out, err = score("--csv")
    assert f'"{hostile}"' in out
    assert r"trained on photos\x1b]0;title\x07\nforged (" in err
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    for words in (), ("--csv",):
        _, out, err = score(*words)
        assert r"d\x1b[2J\nforged.png" in out
        assert "\x1b" not in out + err


def test_stars_are_the_quality_words_or_lie_between_thresholds(score: Score) -> None:
    def ratings() -> dict[str, str]:
        return {path.name: path.read_text().split('xmp:Rating="')[1][0] for path in Path().glob("*.xmp")}

    rows = [json.loads(line) for line in score("--json")[1].splitlines()]
    words = {row["path"]: 1 + min(4, int(5 * (row["score"] - 1) / 99)) for row in rows if row["score"] is not None}
    assert "4 ratings written into sidecars" in score("--xmp", "--worst", "1")[2]
    assert ratings() == {f"{name}.xmp": str(stars) for name, stars in words.items()}
    Path("b.png.xmp").write_text("damaged")
    thresholds = ["--xmp_thresholds", *(str(row["score"]) for row in sorted(rows, key=lambda r: r["score"] or 0)[1:])]
    _, _, err = score("--xmp", "--overwrite_ratings", *thresholds)
    assert "warning: the sidecar b.png.xmp cannot be edited" in err
    Path("b.png.xmp").unlink()
    score("--xmp", *thresholds)
    assert ratings() == {f"{name}.xmp": str(stars) for stars, name in enumerate(WORST_FIRST, start=2)}
    assert "0 ratings written" in score("--xmp")[2]
    assert "--xmp_thresholds must rise" in score("--xmp", "--xmp_thresholds", "4", "3", "2", "1")[2]
    score("--xmp", "--xmp_stem")
    assert Path("a.xmp").exists()


def test_a_single_image_needs_no_summary(score: Score, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["score", "--model", "m.safetensors", "a.png"]) == 0
    assert "median" not in capsys.readouterr().err
