"""The demo end to end on a small budget; its words against the figures that it found."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from linearityiqa.cli import main
from linearityiqa.config import DemoConfig
from linearityiqa.reproduce.demo import ARMS, DemoResult, run_demo, verdict, write_demo_report
from small_runs import SMALL_BACKBONE

pytestmark = pytest.mark.slow

pytest.importorskip("skimage", reason="the built-in database needs scikit-image")
pytest.importorskip("timm", reason="the model in the package has a backbone of timm")


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> DemoConfig:
    folder = tmp_path_factory.mktemp("demo")
    return DemoConfig(output=folder, images=65, architecture=SMALL_BACKBONE, epochs=1, tuning_epochs=1, quiet=True)


@pytest.fixture(scope="module")
def result(config: DemoConfig) -> DemoResult:
    return run_demo(config)


def test_every_arm_is_trained_and_tested_under_the_same_budget(config, result) -> None:
    assert list(result.runs) == list(ARMS)
    assert len({run.folder for run in result.runs.values()}) == len(ARMS)
    assert len({run.results["splits"]["test"]["n"] for run in result.runs.values()}) == 1


def test_report_shows_the_figures_of_results_json(config, result) -> None:
    report = write_demo_report(config, result)
    page = report.page.read_text()
    for run in result.runs.values():
        assert f"{run.results['splits']['test']['fused']['SROCC']:.4f}" in page
    assert page.count('<img src="data:image/png;base64,') == 3 + len(result.photographs)
    assert all(picture.exists() for picture in report.pictures)


def with_srocc(result: DemoResult, **srocc: float) -> DemoResult:
    runs = {}
    for name, value in zip(ARMS, srocc.values(), strict=True):
        results = {"splits": {"test": {"fused": {"SROCC": value}}}}
        runs[name] = replace(result.runs[name], results=results)
    return replace(result, runs=runs)


def test_verdict_says_where_norm_in_norm_wins_and_where_not(result) -> None:
    won = verdict(with_srocc(result, norm=0.9, mse=0.1, mae=0.5, standard=0.8))
    assert re.search(r"Norm-in-Norm has the highest .*0\.900.*MSE, standardised MOS.*0\.800", won)
    lost = verdict(with_srocc(result, norm=0.7, mse=0.1, mae=0.75, standard=0.2))
    assert re.search(r"Norm-in-Norm does not win: MAE .*0\.750.*0\.700", lost)


def test_command_goes_on_where_it_stopped_and_prints_the_summary(config, result, capsys) -> None:
    words = ["--images", "65", "--architecture", SMALL_BACKBONE, "--epochs", "1", "--tuning_epochs", "1", "--quiet"]
    before = {name: run.model_file.stat().st_mtime_ns for name, run in result.runs.items()}
    assert main(["demo", "--output", str(config.output), *words]) == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in ARMS)
    assert f"{result.in_order} of 5 degraded copies score below the clean one" in shown
    assert "linearityiqa score" in shown.splitlines()[-1]
    assert {name: run.model_file.stat().st_mtime_ns for name, run in result.runs.items()} == before
    assert main(["demo", "--output", str(config.output), *words, "--json"]) == 0
    assert Path(json.loads(capsys.readouterr().out)["report"]).exists()


def test_degraded_copies_score_below_the_clean_photograph(result) -> None:
    """Even after one epoch on 65 images. Oracle: the order in which they were made."""
    clean = result.photographs["clean"].score
    below = {name for name, image in result.photographs.items() if image.score < clean}
    assert result.in_order == len(below)
    assert len(below) >= 4
