"""Logging that every test leaves as it found it, and `linearityiqa score` with a network that needs no torch."""

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from linearityiqa.cli import main
from linearityiqa.scoring import scorer
from pixel_runtime import PixelRuntime


@pytest.fixture(autouse=True)
def restored_logging() -> Iterator[None]:
    logger = logging.getLogger("linearityiqa")
    before = logger.handlers, logger.propagate, logger.level
    yield
    logger.handlers, logger.propagate = before[:2]
    logger.setLevel(before[2])


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch) -> PixelRuntime:
    fake = PixelRuntime()
    monkeypatch.setattr(scorer, "open_runtime", lambda *_, **__: fake)
    return fake


@pytest.fixture
def score(
    runtime: PixelRuntime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Run the command in an empty folder: (exit status, standard output, standard error)."""
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> tuple[int, str, str]:
        status = main(["score", "--model", "m.safetensors", *words])
        return status, *capsys.readouterr()

    return run
