"""Oracle: what the help of the commands says of the model and of the cores."""

import sys
from pathlib import Path

import pytest

from linearityiqa.cli import models
from linearityiqa.cli.main import main
from linearityiqa.config import ScoreConfig, ScoringDeviceConfig, ServeConfig
from linearityiqa.hub import bundled_model


@pytest.fixture(autouse=True)
def cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "usable_cores", lambda: 20)


@pytest.mark.parametrize(
    ("words", "lanes", "num_threads", "expected"),
    [
        (("photos/",), None, None, (8, 2)),  # a batch on each core, at most eight
        (("a.jpg", "b.jpg"), None, None, (8, 2)),
        (("-",), None, None, (8, 2)),
        (("one.jpg",), None, None, (1, None)),  # soonest when all cores share it
        (("photos/",), None, 4, (1, 4)),
        (("photos/",), 3, None, (3, 6)),
        (("photos/",), 64, None, (64, 1)),
        (("photos/",), 3, 4, (3, 4)),
    ],
)
def test_cores_are_divided_among_many_images_and_shared_by_one(
    words, lanes, num_threads, expected, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("one.jpg").touch()
    config = ScoreConfig(paths=words, lanes=lanes, device=ScoringDeviceConfig(num_threads=num_threads))
    options = models.scorer_options(config)
    assert (options["lanes"], options["num_threads"]) == expected


@pytest.mark.parametrize(("num_workers", "num_threads", "expected"), [(4, None, 5), (40, None, 1), (4, 3, 3)])
def test_a_service_divides_its_cores_among_the_photographs_that_are_scored_at_once(
    num_workers, num_threads, expected
) -> None:
    device = ScoringDeviceConfig(num_workers=num_workers, num_threads=num_threads)
    options = models.scorer_options(ServeConfig(device=device))
    assert (options["lanes"], options["num_threads"]) == (1, expected)


def test_a_model_is_chosen_by_path_or_is_the_one_in_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    packaged = (bundled_model(), "bundled")
    assert models.chosen_model(None) == models.chosen_model(Path("bundled")) == packaged
    Path("bundled").touch()  # a file of that name is meant itself
    assert models.chosen_model(Path("bundled")) == (Path("bundled"), "")


@pytest.mark.parametrize("package", ["fastapi", "uvicorn", "python_multipart", "prometheus_client", "fastapi_offline"])
def test_a_package_that_the_service_lacks_names_the_extra(package, monkeypatch, capsys) -> None:
    monkeypatch.setitem(sys.modules, package, None)  # as if it were not installed
    assert main(["serve", "--model", "nowhere.safetensors"]) == 1
    assert "pip install 'linearityiqa[serve]'" in capsys.readouterr().err


def test_a_model_that_the_service_lacks_is_named(capsys) -> None:
    pytest.importorskip("fastapi", reason="the extra serve is not installed")
    assert main(["serve", "--model", "nowhere.safetensors"]) == 1
    assert "nowhere.safetensors" in capsys.readouterr().err
