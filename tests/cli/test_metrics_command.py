"""Oracles: the functions of `metrics` called directly, and published figures of the paper's authors."""

import csv
import io
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from linearityiqa import metrics
from linearityiqa.cli import main

KONIQ_SCALE = "27.82"


@pytest.fixture
def files(tmp_path):
    rng = np.random.default_rng(1)
    mos = rng.uniform(0, 100, 80)
    for name, noise in (("good", 4), ("fair", 12), ("poor", 45)):
        with (tmp_path / f"{name}.csv").open("w", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerow(["image_name", "prediction", "mos", "mos_std", "kind"])
            for i, (p, m) in enumerate(zip(mos + rng.normal(0, noise, 80), mos, strict=True)):
                writer.writerow([f"{i}.png", p, m, 12.5, "blur" if i % 2 else "jpeg"])
    return [str(tmp_path / f"{name}.csv") for name in ("good", "fair", "poor")]


def column(path, name):
    with Path(path).open(newline="") as stream:
        return np.array([float(row[name]) for row in csv.DictReader(stream)])


def test_one_file_as_json_is_what_agreement_says(files, capsys):
    assert main(["metrics", files[1], "--json", "--resamples", "200", "--seed", "3"]) == 0
    found = json.loads(capsys.readouterr().out)
    expected = metrics.agreement(
        column(files[1], "prediction"),
        column(files[1], "mos"),
        column(files[1], "mos_std"),
        mappings=metrics.MAPPINGS,
        resamples=200,
        seed=3,
    )
    assert found["methods"]["fair"]["figures"] == expected.figures()
    interval = expected.intervals["KROCC"]
    assert found["methods"]["fair"]["intervals"]["KROCC"] == [interval.low, interval.high]
    assert found["comparison"] is None
    assert found["pairs"] == {}


def test_several_files_are_compared_in_words(files, capsys):
    assert main(["metrics", *files, "--resamples", "200"]) == 0
    out = capsys.readouterr().out
    assert "Agreement with MOS, 80 images" in out
    assert "good is better than fair: SROCC is higher" in out
    assert "Better in SROCC: + the row's method" in out
    assert main(["metrics", *files[:2], "--resamples", "200", "--figure", "RMSE_linear"]) == 0
    assert "good is better than fair: RMSE_linear is lower" in capsys.readouterr().out


def test_groups_ranges_and_pairs(files, capsys):
    options = ["--by", "kind", "--label_ranges", "4", "--ratings", "25", "--resamples", "0"]
    assert main(["metrics", *files[:2], *options]) == 0
    out = capsys.readouterr().out
    assert "By kind, errors after the logistic4 mapping" in out
    assert "By range of MOS" in out
    assert "3160 pairs of images" in out
    assert main(["metrics", *files[:2], *options, "--json"]) == 0
    groups = json.loads(capsys.readouterr().out)["groups"]
    assert [(one["group"], one["n"]) for one in groups["kind"]["good"]] == [("blur", 40), ("jpeg", 40)]
    mos = [one["mos"] for one in groups["MOS"]["fair"]]
    assert len(mos) == 4
    assert mos == sorted(mos)


def test_output_folder_holds_everything(files, tmp_path, capsys):
    folder = tmp_path / "out"
    options = ["--resamples", "100", "--ratings", "25", "--label_ranges", "2", "--output", str(folder)]
    assert main(["metrics", *files, *options]) == 0
    capsys.readouterr()
    assert {path.name for path in folder.iterdir()} >= {
        "metrics.json", "figures.csv", "mappings.csv", "differences.csv", "tests.csv", "groups-1.csv", "pairs.csv",
    }  # fmt: skip
    found = json.loads((folder / "metrics.json").read_text())
    with (folder / "differences.csv").open(newline="") as stream:
        rows = {(row["first"], row["second"], row["figure"]): row for row in csv.DictReader(stream)}
    pair = found["comparison"]["pairs"][1]
    assert (pair["first"], pair["second"]) == ("good", "poor")
    assert float(rows["good", "poor", "MAE"]["first - second"]) == pair["differences"]["MAE"]["value"]


def test_constant_predictions_are_plain_json_and_noted(tmp_path, capsys):
    path = tmp_path / "constant.csv"
    path.write_text("image_name,prediction,mos\n" + "".join(f"{i},5,{i}\n" for i in range(9)))
    assert main(["metrics", str(path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert found["methods"]["constant"]["figures"]["SROCC"] is None
    assert any("constant" in note for note in found["notes"])
    assert main(["metrics", str(path)]) == 0
    assert "Note: constant: the predictions are constant" in capsys.readouterr().out


def test_wrong_calls_and_wrong_files(files, tmp_path, capsys):
    assert main(["metrics"]) == 2
    assert "there is nothing to judge" in capsys.readouterr().err
    assert main(["metrics", str(tmp_path / "missing.csv")]) == 1
    assert "missing.csv" in capsys.readouterr().err
    assert main(["metrics", files[0], "--by", "colour"]) == 1
    assert "has no column colour" in capsys.readouterr().err
    for wrong in (["--resamples", "7"], ["--confidence", "1.5"], ["--label_ranges", "1"], ["--figure", "SSIM"]):
        assert main(["metrics", files[0], *wrong]) == 2
    capsys.readouterr()


def test_command_needs_no_torch(files):
    code = (
        "import sys; from linearityiqa.cli import main; main(['metrics', *sys.argv[1:], '--resamples', '100']); "
        "sys.exit(bool({'torch', 'torchvision', 'h5py', 'matplotlib'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code, *files[:2]], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


# SROCC, PLCC and RMSE in the authors' own files are of all digits; the logistic figures are this project's
@pytest.mark.parametrize(
    ("database", "srocc", "linear", "logistic", "rmse", "rmse_logistic"),
    [("CLIVE", 0.8342, 0.849, 0.853, 14.94, 10.59), ("KonIQ-10k", 0.9371, 0.9465, 0.9467, 5.042, 4.967)],
)
def test_published_predictions(real_data, capsys, database, srocc, linear, logistic, rmse, rmse_logistic):
    names = [f"{database}-{loss}" for loss in ("Norm-in-Norm", "MSE", "MAE")]
    paths = [str(real_data / "paper" / "npy" / f"{name}.npy") for name in names]
    scale = KONIQ_SCALE if database == "KonIQ-10k" else "1"
    assert main(["metrics", *paths, "--mos_std_scale", scale, "--resamples", "500", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    figures = found["methods"][names[0]]["figures"]
    assert figures["SROCC"] == pytest.approx(srocc, abs=5e-5)
    assert figures["PLCC"] == pytest.approx(linear, abs=5e-4)
    assert figures["PLCC_linear"] == pytest.approx(figures["PLCC"], abs=1e-12)
    assert figures["PLCC_logistic4"] == pytest.approx(logistic, abs=5e-4)
    assert figures["RMSE"] == pytest.approx(rmse, abs=5e-3)
    assert figures["RMSE_logistic4"] == pytest.approx(rmse_logistic, abs=5e-3)
    for pair in found["comparison"]["pairs"][:2]:  # Norm-in-Norm against MSE and MAE
        for figure in ("SROCC", "PLCC", "KROCC", "RMSE_logistic4"):
            assert pair["differences"][figure]["better"] == 1, (pair["second"], figure)


def test_files_are_written_before_anything_is_printed(files, tmp_path, monkeypatch):
    # oracle: standard output that nobody reads, as behind `| head`
    monkeypatch.setattr("sys.stdout", Unread())
    assert main(["metrics", *files, "--resamples", "100", "--output", str(tmp_path / "out")]) == 141
    assert {"metrics.json", "figures.csv", "differences.csv"} <= {path.name for path in (tmp_path / "out").iterdir()}


class Unread(io.StringIO):
    """A pipe whose reader has gone."""

    def write(self, text):
        raise BrokenPipeError


def test_names_with_dollar_signs_are_drawn(files, tmp_path, capsys):
    pytest.importorskip("matplotlib", reason="the page needs the extra train")
    named = [
        str(shutil.copy(file, tmp_path / name)) for file, name in zip(files, ["Ba$$in.csv", "x_$y_$.csv"], strict=False)
    ]
    assert main(["metrics", *named, "--resamples", "0", "--output", str(tmp_path / "out")]) == 0
    assert "Ba$$in" in (tmp_path / "out" / "report.html").read_text()
    capsys.readouterr()


def test_the_remedy_for_labels_with_other_columns_works(tmp_path, monkeypatch, capsys):
    """Oracle: the command that the sentence names."""
    monkeypatch.chdir(tmp_path)
    Path("mos.csv").write_text("image,ours,theirs\na.png,20,3\nb.png,30,4\nc.png,50,2\n")
    Path("scores.csv").write_text("path,score\na.png,1\nb.png,2\nc.png,4\n")
    assert main(["metrics", "scores.csv", "--labels", "mos.csv"]) == 1
    assert "for metrics, write the labels anew with datasets convert --mos_column" in capsys.readouterr().err
    assert main(["datasets", "convert", "mos.csv", "--mos_column", "ours", "--output", "new.csv"]) == 0
    capsys.readouterr()
    assert main(["metrics", "scores.csv", "--labels", "new.csv", "--resamples", "0", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["files"] == ["scores.csv"]


def test_a_method_called_as_a_formula_or_a_command_to_the_terminal_is_text(files, tmp_path, capsys):
    """Oracles: OWASP's list of the characters that begin a formula, and the control characters of ECMA-48."""
    name = "-1+cmd\x1b[31m"
    shutil.copy(files[0], tmp_path / f"{name}.csv")
    shutil.copy(files[1], tmp_path / "@SUM(A1).csv")
    paths = [str(tmp_path / f"{name}.csv"), str(tmp_path / "@SUM(A1).csv")]
    assert main(["metrics", *paths, "--resamples", "100", "--output", str(tmp_path / "out")]) == 0
    assert "\x1b" not in "".join(capsys.readouterr())
    for table in (tmp_path / "out").glob("*.csv"):
        cells = [cell for row in csv.reader(io.StringIO(table.read_text())) for cell in row]
        texts = [cell for cell in cells if "cmd" in cell or "SUM" in cell]
        assert all(text.startswith("'") for text in texts), table.name
    rows = list(csv.DictReader(io.StringIO((tmp_path / "out" / "figures.csv").read_text())))
    assert r"'-1+cmd\x1b[31m" in {value for row in rows for value in row.values()}
