"""Scores read back. Oracle: the results that were written."""

import os
from pathlib import Path

import pytest

from linearityiqa.errors import OutputError
from linearityiqa.scoring import Details, ImageScore
from linearityiqa.scoring.output import open_output
from linearityiqa.scoring.output.provenance import Provenance, read_scores
from pixel_runtime import make_record

RESULTS = [
    ImageScore('odd, "name"\n.jpg', 1.25, 2.5, 1e-9, 0.5, True, ("one", "two"), map_file="maps/a.png"),
    ImageScore(os.fsdecode(b"caf\xe9.jpg"), 101.0, 2.0, 3.0, None, False),
    ImageScore("gone.jpg", error="gone.jpg does not exist"),
]


@pytest.mark.parametrize("name", ["s.csv", "s.jsonl", "parts"])
def test_every_form_gives_back_what_was_written(tmp_path: Path, name: str) -> None:
    if name == "parts":
        pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    (tmp_path / "model").write_bytes(b"model")
    details = Details(uncertainty=True, maps=True)
    provenance = Provenance.of(tmp_path / "model", make_record(), details, max_pixels=1)
    with open_output(tmp_path / name, provenance, details) as rows:
        for result in RESULTS:
            rows.write(result)
    expected = RESULTS
    if name == "parts":  # Parquet holds text alone
        expected = [RESULTS[0], ImageScore(r"caf\xe9.jpg", 101.0, 2.0, 3.0, None, False), RESULTS[2]]
        assert [row.score for row in read_scores(tmp_path / name)] == [1.25, 101.0, None]
    assert [row.as_dict(details) for row in read_scores(tmp_path / name)] == [row.as_dict(details) for row in expected]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("s.csv", "path,score\na.jpg,much\n"),
        ("s.csv", "path,score,on_scale,notes,error\na.jpg,nan,true,,\n"),
        ("s.jsonl", '{"path": "a.jpg", "score": [], "notes": []}\n'),
        ("s.jsonl", "[]\n"),
        ("s.jsonl", "[" * 100_000),
    ],
)
def test_a_file_that_was_changed_is_told(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(OutputError, match=f"cannot read the scores in .*{name}"):
        list(read_scores(tmp_path / name))
