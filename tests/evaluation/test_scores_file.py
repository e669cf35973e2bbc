"""Scores beside labels. Oracle: files written by hand, and `score`'s own writers."""

import json
import unicodedata
from pathlib import Path

import pytest

from linearityiqa.errors import DataError
from linearityiqa.evaluation.methods import read_methods, short_names
from linearityiqa.scores.rows import csv_line, csv_row, write_part
from linearityiqa.scoring import COLUMNS, ImageScore

RESULTS = [
    ImageScore("/photos/x/a.png", score=3.0, stage3=2.0, stage4=1.0, on_scale=True),
    ImageScore("/photos/x/b.png", score=4.5, stage3=2.0, stage4=1.0, on_scale=True, notes=("EXIF", "ICC")),
    ImageScore("/photos/x/broken.png", error="cannot decode"),
    ImageScore("/photos/y/else.png", score=1.0, stage3=2.0, stage4=1.0),
    ImageScore("/photos/x/c.PNG", score=2.0, stage3=2.0, stage4=1.0),
]


@pytest.fixture
def labels(tmp_path):
    path = tmp_path / "mos.csv"
    path.write_text(
        "image_name,mos,mos_std,ratings,kind\nc.png,20,3,30,jpeg\nx/a.png,30,4,31,blur\nb.png,40,5,32,blur\n"
    )
    return path


def written(folder, form):
    """The results in a file of the form that `score --output` gives."""
    path = folder / f"scores{form}"
    if form == ".csv":
        path.write_text("\n".join([csv_line(COLUMNS), *(csv_row(result.as_dict()) for result in RESULTS)]) + "\n")
    elif form == ".jsonl":
        path.write_text("".join(json.dumps(result.as_dict()) + "\n" for result in RESULTS))
    else:
        pytest.importorskip("pyarrow", reason="Parquet needs the extra parquet")
        path.mkdir()
        write_part(path / "part-000000.parquet", [result.as_dict() for result in RESULTS[:3]], COLUMNS)
        write_part(path / "part-000001.parquet", [result.as_dict() for result in RESULTS[3:]], COLUMNS)
    return path


@pytest.mark.parametrize("form", [".csv", ".jsonl", ""])
def test_what_score_writes_is_brought_to_the_labels(form, labels, tmp_path) -> None:
    path = written(tmp_path, form)
    found = read_methods([path], by="kind", labels=str(labels))
    assert found.images == ("c.png", "x/a.png", "b.png")
    assert found.predictions["scores"].tolist() == [2.0, 3.0, 4.5]
    assert (found.mos.tolist(), found.mos_std.tolist()) == ([20, 30, 40], [3, 4, 5])
    assert (found.ratings.tolist(), found.groups) == ([30, 31, 32], ("jpeg", "blur", "blur"))
    assert found.notes[0] == f"1 of the 5 images of {path} have no score and are left out."
    assert found.notes[1] == f"1 scored images of {path} have no label in {labels} and are left out."


def test_predictions_take_the_opinions_of_the_labels(labels, tmp_path) -> None:
    path = tmp_path / "other.csv"
    path.write_text("image_name,prediction,mos\nb.png,1,7\nc.png,2,8\n")
    found = read_methods([path], labels=str(labels))
    assert (found.images, found.mos.tolist()) == (("c.png", "b.png"), [20, 40])
    assert found.predictions["other"].tolist() == [2, 1]


def names_in(folder, labels, scored):
    """Labels and scores of these names."""
    (folder / "labels.csv").write_text("image_name,mos\n" + "".join(f"{name},{i}\n" for i, name in enumerate(labels)))
    (folder / "s.csv").write_text("path,score\n" + "".join(f"{name},{i}\n" for i, name in enumerate(scored)))
    return read_methods([folder / "s.csv"], labels=str(folder / "labels.csv")).images


def test_of_names_that_fit_the_longest_counts(tmp_path) -> None:
    assert names_in(tmp_path, ["a.png", "x/a.png"], ["p/x/a.png", "p/y/a.png"]) == ("a.png", "x/a.png")
    assert names_in(tmp_path, ["x/a.png", "x/b.png"], ["a.png", "./b.png"]) == ("x/a.png", "x/b.png")
    assert names_in(tmp_path, ["A.png", "a.png"], ["p/a.png", "p/A.png"]) == ("A.png", "a.png")
    assert names_in(tmp_path, ["x/a", "b"], ["p/x/a.png", "p/b.jpg"]) == ("x/a", "b")


@pytest.mark.parametrize(
    ("labels", "scored", "said"),
    [
        (["x/a.png", "y/a.png"], ["a.png", "b.png"], "a.png of .* may be x/a.png or y/a.png"),
        (["a.png", "b.png"], ["x/a.png", "y/a.png"], "x/a.png and y/a.png of .* are both a.png"),
        (["a.png", "b.png"], ["c.png", "a.png"], r"1 of the 2 images of .* \(such as c.png\) are found"),
    ],
)
def test_names_that_do_not_fit_are_told(labels, scored, said, tmp_path) -> None:
    with pytest.raises(DataError, match=said):
        names_in(tmp_path, labels, scored)


def test_a_file_without_scores_is_told(labels, tmp_path) -> None:
    (tmp_path / "s.csv").write_text("path,score\n")
    (tmp_path / "folder").mkdir()
    for name, said in (("s.csv", "holds no scores"), ("folder", "folder without .parquet files")):
        with pytest.raises(DataError, match=said):
            read_methods([tmp_path / name], labels=str(labels))


@pytest.mark.parametrize("form", [".csv", ".jsonl"])
def test_scores_without_labels_say_what_is_lacking(form, tmp_path) -> None:
    with pytest.raises(DataError, match="--labels"):
        read_methods([written(tmp_path, form)])


def test_a_column_that_the_labels_lack_is_told(labels, tmp_path) -> None:
    with pytest.raises(DataError, match="no column colour to group images by; it has ratings, kind"):
        read_methods([written(tmp_path, ".csv")], by="colour", labels=str(labels))


def test_long_names_stay_apart_when_they_are_shortened() -> None:
    assert short_names(["mine", "theirs"]) == {"mine": "mine", "theirs": "theirs"}
    runs = [f"KonIQ-10k-resnext101_32x8d-norm-in-norm-p{p}-q{q}-0123456{p}" for p in (1, 2) for q in (1, 2)]
    assert list(short_names(runs).values()) == ["p1-q1", "p1-q2", "p2-q1", "p2-q2"]
    same_options = [f"KonIQ-10k-resnext101_32x8d-norm-in-norm-p1-q2-0123456{digit}" for digit in (1, 2)]
    assert list(short_names(same_options).values()) == ["01234561", "01234562"]
    (alone,) = short_names(runs[:1]).values()
    assert len(alone) == 24
    assert len(set(short_names(["a" * 20 + middle + "b" * 20 for middle in "xyz"]).values())) == 3


def test_named_files_in_json_and_table(labels, tmp_path, capsys) -> None:
    from linearityiqa.cli import main

    path, long = written(tmp_path, ".csv"), "a-name-that-is-too-long-for-a-table"
    copy = tmp_path / "copy.csv"
    copy.write_text(path.read_text())
    words = ["metrics", f"ours={path}", f"{long}={copy}", "--labels", str(labels), "--resamples", "0"]
    assert main([*words, "--json"]) == 0
    assert list(json.loads(capsys.readouterr().out)["methods"]) == ["ours", long]
    assert main(words) == 0
    shown = capsys.readouterr().out
    assert f"a-name-that…-for-a-table = {long}" in shown
    with pytest.raises(DataError, match="two files are called x"):
        read_methods([Path(f"x={path}"), Path(f"x={copy}")], labels=str(labels))


@pytest.mark.parametrize("forms", [("NFC", "NFD"), ("NFD", "NFC")])
def test_composed_and_decomposed_accents_meet(tmp_path, forms):
    labels, scores = ([unicodedata.normalize(form, name) for name in ("x/é.png", "Ü.png")] for form in forms)
    assert names_in(tmp_path, labels, [f"p/{name}" for name in scores]) == tuple(labels)
    for file, names in (("a.csv", labels), ("b.csv", scores)):
        rows = "".join(f"{name},{i},{i}\n" for i, name in enumerate(names))
        (tmp_path / file).write_text(f"image_name,prediction,mos\n{rows}")
    assert read_methods([tmp_path / "a.csv", tmp_path / "b.csv"]).images == tuple(labels)


def test_one_image_in_two_spellings_is_told(tmp_path):
    both = [unicodedata.normalize(form, "é.png") for form in ("NFC", "NFD")]
    rows = "".join(f"{name},{i},{i}\n" for i, name in enumerate(both))
    (tmp_path / "a.csv").write_text(f"image_name,prediction,mos\n{rows}")
    with pytest.raises(DataError, match=r"line 3: .* is already in .*line 2"):
        read_methods([tmp_path / "a.csv"])
