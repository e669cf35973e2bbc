"""`linearityiqa serve` where it cannot serve: one sentence, and nothing is loaded."""

import sys

import pytest

from linearityiqa.cli.main import main


@pytest.mark.parametrize("package", ["fastapi", "uvicorn", "python_multipart", "prometheus_client", "fastapi_offline"])
def test_a_missing_package_names_the_extra(package, monkeypatch, capsys) -> None:
    monkeypatch.setitem(sys.modules, package, None)  # as if it were not installed
    assert main(["serve", "--model", "nowhere.safetensors"]) == 1
    assert "pip install 'linearityiqa[serve]'" in capsys.readouterr().err


def test_a_missing_model_is_named(capsys) -> None:
    pytest.importorskip("fastapi", reason="the extra serve is not installed")
    assert main(["serve", "--model", "nowhere.safetensors"]) == 1
    assert "nowhere.safetensors" in capsys.readouterr().err
