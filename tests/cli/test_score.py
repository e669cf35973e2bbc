"""Oracle: the library's own scores of the same files, and the formats' readers in the standard library."""

import csv
import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from linearityiqa.cli import main
from linearityiqa.cli.main import run_command
from linearityiqa.config import ModelConfig, ScoreConfig, TransformConfig
from linearityiqa.errors import ConfigError
from linearityiqa.quality import QualityScale
from linearityiqa.scoring import COLUMNS, Scorer
from pixel_runtime import PixelRuntime, make_record

Score = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for i, name in enumerate(["a.png", "b.png", 'sub/odd, "name"\n.png']):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        Image.new("RGB", (20, 20), (40 * i, 200, 250)).save(path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_json_lines_are_the_librarys_results(score: Score, runtime: PixelRuntime) -> None:
    status, out, err = score("--json", ".")
    assert status == 0
    expected = [result.as_dict() for result in Scorer(runtime).score_many(["a.png", "b.png", 'sub/odd, "name"\n.png'])]
    assert [json.loads(line) for line in out.splitlines()] == expected
    assert list(expected[0]) == list(COLUMNS)
    notice, summary = err.splitlines()
    assert notice == "m.safetensors, trained on photos (people's opinions): 1..100, higher is better"
    tenth, median, ninetieth = np.percentile([row["score"] for row in expected], (10, 50, 90))
    assert summary == (
        f"3 images scored: median {median:.2f}, 10th percentile {tenth:.2f}, 90th percentile {ninetieth:.2f}"
    )


def test_csv_holds_the_same_and_survives_any_name(score: Score) -> None:
    Path("b.png").write_bytes(b"")
    _, lines, _ = score("--json", ".")
    status, out, err = score("--csv", ".")
    assert status == 1
    assert "1 of 3 images could not be scored" in err
    rows = list(csv.DictReader(io.StringIO(out, newline="")))
    for row, line in zip(rows, lines.splitlines(), strict=True):
        expected = json.loads(line)
        assert list(row) == list(COLUMNS)
        assert (row["path"], row["error"]) == (expected["path"], expected["error"] or "")
        assert row["on_scale"] == ("" if expected["error"] else "true")
        for name in ("score", "stage3", "stage4"):
            assert row[name] == ("" if expected["error"] else repr(expected[name]))


def test_the_table_is_aligned_one_line_an_image_with_whole_paths(score: Score, runtime: PixelRuntime) -> None:
    runtime.record = make_record(QualityScale(low=1, high=2))
    long = Path("x" * 200) / ("y" * 200) / "z.png"
    long.parent.mkdir(parents=True)
    Path("a.png").rename(long)
    status, out, _ = score(".", "gone.png")
    assert status == 1
    header, *rows = out.splitlines()
    assert header.split() == ["score", "quality", "image"]
    images = [row[header.index("image") :] for row in rows]
    names = ["b.png", 'sub/odd, "name"\\n.png', str(long)]
    assert images == [*(f"{name}  (beyond the scale)" for name in names), "gone.png does not exist. Check the path."]
    assert [row[header.index("quality") :].split()[0] for row in rows] == [*["excellent"] * 3, "error"]
    expected = [result.score for result in Scorer(runtime).score_many(["b.png", 'sub/odd, "name"\n.png', long])]
    assert [row.split()[0] for row in rows] == [*(f"{score:.3f}" for score in expected), "-"]


def test_stages_stand_in_the_table_on_request(score: Score, runtime: PixelRuntime) -> None:
    header, row = score("a.png", "--stages")[1].splitlines()
    assert header.split() == ["score", "stage3", "stage4", "quality", "image"]
    (expected,) = Scorer(runtime).score_many("a.png")
    assert row.split()[:3] == [f"{value:.2f}" for value in (expected.score, expected.stage3, expected.stage4)]


def test_a_model_of_pseudo_labels_gives_no_words(score: Score, runtime: PixelRuntime) -> None:
    runtime.record = replace(make_record(QualityScale(low=0, high=1)), opinions=False)
    _, row = score("a.png")[1].splitlines()
    assert row.split()[1:] == ["-", "a.png", "(beyond", "the", "scale)"]
    assert len(row.split()[0].partition(".")[2]) == 3  # two digits would not tell images on a short scale apart


def test_notes_stand_beside_the_image(score: Score) -> None:
    Image.new("CMYK", (20, 20)).save("c.jpg")
    assert score("c.jpg")[1].splitlines()[1].endswith("c.jpg  (CMYK converted to RGB)")
    (row,) = csv.DictReader(io.StringIO(score("c.jpg", "--csv")[1]))
    assert row["notes"] == "CMYK converted to RGB"


def test_paths_come_from_words_from_img_path_and_from_standard_input(
    score: Score, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"b.png\nsub\n")))
    _, out, _ = score("--json", "-", "a.*", "--img_path", "a.png")
    paths = [json.loads(line)["path"] for line in out.splitlines()]
    assert paths == ["b.png", 'sub/odd, "name"\n.png', "a.png", "a.png"]


def test_names_that_are_not_utf8_come_out_as_they_are(
    folder: Path, runtime: PixelRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = b"caf\xe9.png"
    Path("a.png").rename(os.fsdecode(raw))
    expected = {"--csv": raw + b",", "--json": b'"caf\\udce9.png"', "--no_json": b"  caf\\udce9.png\n"}
    for word, text in expected.items():
        written = io.BytesIO()
        monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="utf-8"))
        assert main(["score", "--model", "m.safetensors", os.fsdecode(raw), word]) == 0
        assert text in written.getvalue()


def test_a_progress_bar_leaves_standard_output_alone(score: Score) -> None:
    assert score(".", "--csv", "--pbar")[1] == score(".", "--csv")[1]


def test_a_terminal_sees_progress_and_a_file_does_not(score: Score, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    Path("m.safetensors").write_bytes(b"a model")
    assert "scoring" not in score(".")[2]
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    for words in ([], ["--output", "s.csv"]):
        assert "scoring" in score(".", *words)[2]
    assert "scoring" not in score("a.png")[2]
    assert "scoring" not in score(".", "--no_pbar")[2]


def test_names_are_left_out_and_lists_may_end_in_nul(score: Score, monkeypatch: pytest.MonkeyPatch) -> None:
    def paths(*words: str) -> list[str]:
        return [json.loads(line)["path"] for line in score("--json", *words)[1].splitlines()]

    assert paths("--exclude", "sub", ".", "--exclude=b.*") == ["a.png"]
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b'b.png\0sub/odd, "name"\n.png\0')))
    assert paths("-0", "-") == ["b.png", 'sub/odd, "name"\n.png']


def test_options_of_the_transform_and_the_batch_are_used(score: Score, runtime: PixelRuntime) -> None:
    _, _, err = score("a.png", "b.png", "--resize", "-rs_h", "30", "--resize_size_w", "40", "-bs", "1")
    assert runtime.batches == [(1, 3, 30, 40)] * 2
    assert "warning: the model was trained on images at their own size" in err
    assert "resized to 30 x 40" in err
    status, out, _ = score("a.png", "--max_megapixels", "0.0003", "--json")
    assert status == 1
    assert "megapixels" in json.loads(out)["error"]


@pytest.mark.parametrize(
    ("words", "status", "sentence"),
    [
        (["--model", "m"], 2, "there is nothing to score: name images"),
        (["--model", "m", "*.bmp"], 1, "no image was found in *.bmp"),
        (["--model", "gone.pth", "a.png"], 1, "there is no model file gone.pth"),
        (["--model", "m.onnx", "a.png"], 1, "there is no model file m.onnx"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(
    folder: Path, capsys: pytest.CaptureFixture[str], words: list[str], status: int, sentence: str
) -> None:
    assert main(["score", *words]) == status
    out, err = capsys.readouterr()
    assert not out
    assert err.startswith(f"error: {sentence}")
    assert err.count("\n") == 1


def test_the_demo_prints_the_papers_sentence(
    runtime: PixelRuntime, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    default = ScoreConfig(img_path=Path("data/1000.JPG"), trained_model_file=Path("p1q2.pth"))
    assert run_command("test_demo.py", ["--img_path", "a.png"], default) == 0
    words, value = capsys.readouterr().out.strip().rsplit(" ", 1)
    assert words == "The image quality score is"
    assert float(value) == pytest.approx(Scorer(runtime).score("a.png"), abs=1e-6)
    assert len(value.split(".")[1]) == 6


PRELUDE = """
import signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs inherit that it is ignored
from pixel_runtime import PixelRuntime
from linearityiqa.cli import main
from linearityiqa.scoring import scorer
scorer.open_runtime = lambda *_, **__: PixelRuntime()
"""
PROGRAM = PRELUDE + 'sys.exit(main(["score", "--model", "m", "-", "--json"]))'


@pytest.mark.parametrize("closed", [">&-", "2>&-"])
def test_a_closed_stream_swallows_what_it_would_have_got_and_no_more(folder: Path, closed: str) -> None:
    # oracle: what the other stream gets where both are open
    (folder / "list.txt").write_text("a.png\nb.png\n")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[1]), *sys.path])}

    def run(redirection: str) -> subprocess.CompletedProcess[str]:
        command = ["sh", "-c", f'exec "$@" < list.txt {redirection}', "-", sys.executable, "-c", PROGRAM]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    usual, done = run(""), run(closed)
    assert (usual.returncode, done.returncode) == (0, 0)
    assert (done.stdout, done.stderr) == (("", usual.stderr) if closed == ">&-" else (usual.stdout, ""))


@pytest.mark.parametrize(("stop", "status"), [("close", 141), ("interrupt", 130)])
def test_a_reader_that_leaves_and_an_interrupt_end_it_quietly(folder: Path, stop: str, status: int) -> None:
    ended, error = end_of(folder, stop)
    if ended == 0:  # Python drops an interrupt that hits a destructor, about once in a dozen full runs of these tests
        ended, error = end_of(folder, stop)
    assert ended == status
    assert "Traceback" not in error
    assert "Exception ignored" not in error


def end_of(folder: Path, stop: str) -> tuple[int, str]:
    """Exit status and errors of a process that is stopped after its first row."""
    listing = folder / "list.txt"
    listing.write_text("a.png\n" * 20_000)
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
    with (
        listing.open() as stream,
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM],
            stdin=stream,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            text=True,
        ) as process,
    ):
        assert process.stdout is not None
        assert process.stderr is not None
        assert json.loads(process.stdout.readline())["path"] == "a.png"
        if stop == "close":
            process.stdout.close()
            error = process.stderr.read()
        else:
            process.send_signal(signal.SIGINT)
            # read on: a signal just before a write into a full pipe is only noticed once the write is done
            _, error = process.communicate(timeout=120)
    return process.returncode, error


SLOW_PROGRAM = f"""{PRELUDE}
prepare = scorer.prepare
def slow(image, *words, **options):
    if str(image) == "b.png":
        print("decoding", file=sys.stderr, flush=True)
        time.sleep(600)
    return prepare(image, *words, **options)
scorer.prepare = slow
sys.exit(main())
"""


@pytest.mark.parametrize("output", [[], ["--output", "scores.csv"]])
def test_the_first_interrupt_does_not_wait_for_a_picture_that_is_being_decoded(folder: Path, output: list[str]) -> None:
    """Decoding takes ten minutes."""
    Path("m").write_bytes(b"a model")
    paths = [str(Path(__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
    with subprocess.Popen(
        [sys.executable, "-c", SLOW_PROGRAM, "score", "--model", "m", "a.png", "b.png", *output],
        stderr=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
        text=True,
    ) as process:
        try:
            assert process.stderr is not None
            while process.stderr.readline() != "decoding\n":
                assert process.poll() is None
            process.send_signal(signal.SIGINT)
            _, error = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 130
    assert "error: interrupted" in error


def test_the_demo_scores_exactly_one_image(runtime: PixelRuntime) -> None:
    default = ScoreConfig(trained_model_file=Path("p1q2.pth"))
    for words in ([], ["a.png", "b.png"]):
        with pytest.raises(ConfigError, match=f"one image, got {len(words)}"):
            run_command("test_demo.py", words, default)


def test_with_a_real_model_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from linearityiqa.models import LinearityIQA, save_model

    model, path = ModelConfig(architecture="mobilenet_v2"), tmp_path / "model.safetensors"
    transform = TransformConfig(resize=True, resize_size_h=64, resize_size_w=64)
    save_model(path, LinearityIQA(model), make_record(model=model, transform=transform))
    image = tmp_path / "a.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (90, 70, 3), np.uint8)).save(image)
    assert main(["score", "--model", str(path), str(image), "--json", "--device", "cpu"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["score"] == pytest.approx(Scorer(path, device="cpu").score(image), rel=1e-6)
    assert f"{path}, trained on photos" in err
