"""The list of runs. Oracles: files written by hand, and a run of a few seconds."""

import fcntl
import json
import os
from dataclasses import replace

import pytest
import tomli_w

from linearityiqa.cli.main import main
from linearityiqa.config import LossConfig, OptimiserConfig, to_dict
from small_runs import small_run

HEADER = "epoch,split,SROCC,PLCC,KROCC,RMSE\n"


@pytest.fixture
def run(tmp_path):
    """Makes a run folder of a configuration and some files."""

    def make(name, age, *, options=None, **files):
        folder = tmp_path / "runs" / name
        folder.mkdir(parents=True)
        config = replace(small_run(tmp_path / "photos.csv", folder), **(options or {}))
        (folder / "config.toml").write_text(tomli_w.dumps(to_dict(config)))
        for file, text in files.items():
            (folder / file.replace("_", ".")).write_text(text)
        for path in folder.iterdir():
            os.utime(path, (age, age))
        return folder

    return make


def listed(tmp_path, capsys):
    assert main(["runs", str(tmp_path / "runs"), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_states_and_figures(run, tmp_path, capsys) -> None:
    rows = HEADER + "1,val,0.5,0.4,0.3,\n1,train,0.9,0.9,0.9,\n2,val,0.4,0.6,0.2,\n"
    figures = {"SROCC": 0.7, "PLCC": 0.8, "RMSE": 9.0}
    results = {"reported_split": "test", "epoch": 2, "splits": {"test": {"fused": figures}}}
    run("stopped", 1, metrics_csv=rows, last_pt="")
    run("finished", 2, results_json=json.dumps(results), model_safetensors="", metrics_csv=rows)
    run("debug/diverged", 3, diverged_json="{}", metrics_csv=HEADER)
    (run("broken", 4) / "config.toml").write_text("no toml")
    os.utime(tmp_path / "runs" / "broken" / "config.toml", (4, 4))
    stopped, finished, diverged, broken = listed(tmp_path, capsys)
    assert (stopped["state"], stopped["epoch"], stopped["epochs"]) == ("stopped", 2, 2)
    assert (stopped["best_epoch"], stopped["split"], stopped["SROCC"], stopped["PLCC"]) == (1, "val", 0.5, 0.4)
    assert stopped["RMSE"] is None
    assert (finished["state"], finished["best_epoch"], finished["split"], finished["RMSE"]) == (
        "finished",
        2,
        "test",
        9,
    )
    assert (finished["database"], finished["network"]) == ("photos", "shufflenet_v2_x0_5")
    assert (diverged["state"], diverged["epoch"], "best_epoch" in diverged) == ("diverged", 0, False)
    assert broken["state"] == "unreadable"
    assert "config.toml" in broken["note"]
    assert main(["runs", str(tmp_path / "runs")]) == 0
    lines = capsys.readouterr().out.splitlines()
    shown = "stopped after epoch 2 of 2 photos shufflenet_v2_x0_5 1 val 0.5000 0.4000 –"
    assert " ".join(lines[4].split()).startswith(shown)
    assert lines[4].endswith("runs/stopped")
    assert lines[-1].startswith(f"{tmp_path}/runs/broken: cannot read")


def test_no_name_of_a_folder_forges_a_run_or_controls_the_terminal(run, tmp_path, capsys) -> None:
    """Oracle: the lines that two runs have."""
    run("a\x1b[31m\nfinished  forged", 1)
    (run("b\nforged", 2) / "config.toml").write_text("no toml")
    assert main(["runs", str(tmp_path / "runs")]) == 0
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert len(out.splitlines()) == 7
    assert r"runs/a\x1b[31m\nfinished  forged" in out


@pytest.mark.parametrize(
    ("options", "best"),
    [
        ({}, 2),  # the largest absolute value
        ({"loss": LossConfig(beta=(1, 0, 0))}, 1),  # the head that is trained
        ({"loss": LossConfig(beta=(0, 1, 0)), "optimiser": OptimiserConfig(val_criterion="RMSE")}, 3),
    ],
)
def test_the_best_epoch_is_the_one_that_training_keeps(run, tmp_path, capsys, options, best) -> None:
    """Oracle: `Trainer`'s rule, worked out by hand; test_optimisation.py has its head."""
    rows = "epoch,split,SROCC,SROCC_stage3,RMSE_stage4\n1,val,0.5,0.9,\n2,val,-0.7,,7.5\n3,val,0.6,-0.8,7.0\n"
    run("one", 1, options=options, metrics_csv=rows)
    (found,) = listed(tmp_path, capsys)
    assert (found["best_epoch"], found["SROCC"]) == (best, [0.5, -0.7, 0.6][best - 1])


def test_a_run_that_a_process_holds_is_running(run, tmp_path, capsys) -> None:
    folder = run("one", 1, metrics_csv=HEADER)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert listed(tmp_path, capsys)[0]["state"] == "running"
    assert listed(tmp_path, capsys)[0]["state"] == "stopped"


def test_what_training_leaves_is_listed(photo_database, tmp_path, capsys) -> None:
    """As a finished run, and by its curves alone, where the head that is trained chooses the epoch."""
    from linearityiqa.training import train

    loss = LossConfig(beta=(1, 0, 0))
    result = train(small_run(photo_database, tmp_path / "runs" / "real", pbar=False, loss=loss))
    (found,) = listed(tmp_path, capsys)
    (result.folder / "results.json").rename(tmp_path / "results.json")
    (by_curves,) = listed(tmp_path, capsys)
    assert (by_curves["state"], by_curves["best_epoch"]) == ("stopped", result.results["epoch"])
    assert (found["state"], found["best_epoch"]) == ("finished", result.results["epoch"])
    assert found["SROCC"] == pytest.approx(result.figure("test", "SROCC"))


def test_folders_without_runs(tmp_path, capsys, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["runs"]) == 1
    assert "there is no folder runs" in capsys.readouterr().err
    (tmp_path / "runs").mkdir()
    assert main(["runs"]) == 0
    assert capsys.readouterr().out == "no run in runs\n"
