"""Oracle: the results that were written, and files written by hand."""

import os
from pathlib import Path

import pytest

from linearityiqa.errors import DataError
from linearityiqa.scores import open_output
from linearityiqa.scores.provenance import provenance_of
from linearityiqa.scores.rows import read_scores
from linearityiqa.scoring import Details, ImageScore, columns
from pixel_runtime import make_record

WRITTEN = [
    ImageScore('odd, "name"\n.jpg', 1.25, 2.5, 1e-9, 0.5, True, ("one", "two"), map_file="maps/a.png"),
    ImageScore(os.fsdecode(b"caf\xe9.jpg"), 101.0, 2.0, 3.0, None, False, quality="excellent"),
    ImageScore("gone.jpg", error="gone.jpg does not exist"),
]


@pytest.mark.parametrize("name", ["s.csv", "s.jsonl", "parts"])
def test_every_format_gives_back_what_was_written(tmp_path: Path, name: str) -> None:
    if name == "parts":
        pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    (tmp_path / "model").write_bytes(b"model")
    details = Details(uncertainty=True, maps=True)
    provenance = provenance_of(tmp_path / "model", make_record(), columns(details), max_pixels=1)
    with open_output(tmp_path / name, provenance) as rows:
        for result in WRITTEN:
            rows.write(result.as_dict(details))
    read = [ImageScore(**row) for row in read_scores(tmp_path / name)]
    if name == "parts":  # Parquet holds UTF-8 alone
        assert read[1].path == r"caf\xe9.jpg"
        read[1] = WRITTEN[1]
    assert read == WRITTEN


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("s.csv", "\N{ZERO WIDTH NO-BREAK SPACE}Prediction;Image_Name;quality\n3,5;a.png;\n\n;b.png;4\n"),
        ("s.csv", "image_name\tscore\r\na.png\t3.5\r\nb.png\t"),
        ("s.jsonl", '{"image_name": "a.png", "score": 3.5}\n{"path": "b.png", "prediction": null, "quality": 4}\n'),
    ],
)
def test_files_of_other_methods(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content, newline="")
    assert [(row["path"], row["score"]) for row in read_scores(tmp_path / name)] == [("a.png", 3.5), ("b.png", None)]


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("s.csv", "path,value\na.png,1\n", "no column score or prediction; its columns are path, value"),
        ("s.csv", "path,score,Score\na.jpg,1,2\n", "line 1 names the column score twice"),
        ("s.csv", "path,score\na.jpg,much\n", "line 2: score is 'much', not a finite number"),
        ("s.csv", "path,score\na.jpg,1_0\n", "line 2: score is '1_0'"),
        ("s.csv", "path,score,on_scale,notes,error\na.jpg,nan,true,,\n", "line 2: score is nan"),
        ("s.csv", "path,score\n\na.jpg,1,2\n", "line 3: 3 values for 2 columns"),
        ("s.csv", 'path,score\n"' + "x" * 300_000, "field larger than"),
        ("s.jsonl", '{"path": "a.jpg", "score": "1"}\n', "line 1: score is '1'"),
        ("s.jsonl", '{"path": "a.png", "score": NaN}\n', "line 1: score is nan"),
        ("s.jsonl", '{"path": 1, "score": 1}\n', "line 1: path is 1"),
        ("s.jsonl", "[]\n", "line 1 is no object"),
        ("s.jsonl", "[" * 100_000, "recursion"),
        ("s.parquet", "PAR1 torn", "not a parquet file"),
        ("gone.csv", None, "No such file"),
    ],
)
def test_damaged_files_are_named(tmp_path: Path, name: str, content: str | None, sentence: str) -> None:
    if name == "s.parquet":
        pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(DataError, match=f"{name}.*{sentence}"):
        list(read_scores(tmp_path / name))
