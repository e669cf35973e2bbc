"""Oracle: the CSV file that the command names, counted here."""

import json

import pytest

from linearityiqa.cli import main

OPTIONS = ("--images", "10", "--height", "96", "--width", "96", "--dead_leaves", "5", "--num_workers", "0", "--quiet")


def test_make_prints_the_csv_and_says_that_nobody_rated(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["datasets", "make", "--output", "d", *OPTIONS]) == 0
    path, summary = capsys.readouterr().out.splitlines()
    assert path == str(tmp_path / "d" / "labels.csv")
    assert summary.startswith("10 images of 10 references (6 train, 2 val, 2 test), 96 x 96 pixels")
    assert "pseudo-labels" in summary
    assert main(["datasets", "make", "--output", "d", *OPTIONS, "--json"]) == 0
    values = json.loads(capsys.readouterr().out)
    rows = (tmp_path / "d" / "labels.csv").read_text().splitlines()[1:]
    mos = [float(row.split(",")[1]) for row in rows]
    assert values["mos_mean"] == pytest.approx(sum(mos) / 10)
    assert values["pristine"] + values["distorted_once"] + values["distorted_twice"] == values["images"] == 10
    assert main(["datasets", "make", "--output", "d", *OPTIONS, "--seed", "3"]) == 1
    assert "seed 19920517 instead of 3" in capsys.readouterr().err


def test_wrong_calls(capsys):
    assert main(["datasets"]) == 2
    assert main(["datasets", "--help"]) == 0
    assert main(["datasets", "mkae"]) == 2
    assert "no subcommand 'mkae'; known: make" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        main(["datasets", "make", "--images", "3"])
    assert "images must lie in 65" in capsys.readouterr().err
