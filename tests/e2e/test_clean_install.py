"""The base install, in an environment of its own: it scores without torch. Takes minutes and an index of packages."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from linearityiqa.hub import bundled_card
from linearityiqa.scoring import Scorer

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(
    not os.environ.get("LINEARITYIQA_CLEAN_INSTALL"),
    reason="LINEARITYIQA_CLEAN_INSTALL is not set: this installs the package into an environment of its own",
)


@pytest.fixture(scope="module")
def binaries(tmp_path_factory: pytest.TempPathFactory) -> Path:
    environment = tmp_path_factory.mktemp("clean") / "venv"
    subprocess.run([sys.executable, "-m", "venv", environment], check=True)
    subprocess.run([environment / "bin/python", "-m", "pip", "install", "--quiet", str(ROOT)], check=True)
    return environment / "bin"


def outside(binary: Path, *words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """A command of the environment, run where the sources are not importable."""
    return subprocess.run([binary, *words], cwd=cwd, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize("module", ["torch", "torchvision", "onnx", "scipy", "pandas", "fastapi"])
def test_no_extra_is_there(binaries: Path, tmp_path: Path, module: str) -> None:
    assert "ModuleNotFoundError" in outside(binaries / "python", "-c", f"import {module}", cwd=tmp_path).stderr


def test_the_model_in_the_package_gives_its_scores(binaries: Path, tmp_path: Path) -> None:
    """Oracle: the same file in this environment."""
    photo = tmp_path / "photo.png"
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 255, (90, 120, 3), dtype=np.uint8)).resize((600, 400)).save(photo)
    done = outside(binaries / "linearityiqa", "score", "photo.png", "--json", "--map", "maps", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["score"] == pytest.approx(Scorer().score(photo), rel=1e-4)
    assert len(list((tmp_path / "maps").glob("*.png"))) == 1


def test_the_card_is_there(binaries: Path, tmp_path: Path) -> None:
    done = outside(binaries / "linearityiqa", "score", "--model_card", cwd=tmp_path)
    assert done.stdout == bundled_card().read_text(encoding="utf-8")
