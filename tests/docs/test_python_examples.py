"""The Python on the pages runs as it stands, with the names and files that it takes for given."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import linearityiqa
from formula import formula_network
from linearityiqa.config import ModelConfig, TransformConfig
from linearityiqa.models import save_model
from pixel_runtime import make_record

DOCS = Path(__file__).parents[2] / "docs"


def run_examples(page: str, given: dict[str, Any]) -> dict[str, Any]:
    """Run the blocks of Python of a page one after the other; the names that they leave."""
    text = (DOCS / page).read_text(encoding="utf-8")
    for block in re.findall(r"^```python\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE):
        exec(compile(block, page, "exec"), given)
    return given


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with two photographs and a model."""
    rng = np.random.default_rng(0)
    for name in ("photo.jpg", "holiday.jpg"):
        Image.fromarray(rng.integers(0, 256, (240, 320, 3), dtype=np.uint8)).save(tmp_path / name)
    config = {"model": ModelConfig(architecture="alexnet"), "transform": TransformConfig(resize=True)}
    save_model(tmp_path / "model.safetensors", formula_network(), make_record(**config))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_scoring(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for module in ("pandas", "torchmetrics"):
        pytest.importorskip(module, reason=f"{module} is not installed")
    photo = (folder / "photo.jpg").read_bytes()
    names = run_examples(
        "scoring.md",
        {
            "paths": ["photo.jpg"],
            "uploads": [("upload.jpg", photo)],
            "restored": torch.rand(2, 3, 64, 64),
            "pixel_loss": torch.tensor(0.0),
            "linearityiqa": linearityiqa,
        },
    )
    assert "photo.jpg" in capsys.readouterr().out
    assert names["total"].shape == ()
    assert (folder / "map.png").is_file()


def test_the_loss_alone(folder: Path) -> None:
    torch.manual_seed(0)
    images = torch.rand(24, 4)
    network = torch.nn.Linear(4, 1)
    batches = [(part, 20 * part.sum(1) + 30) for part in images.split(8)]
    names = run_examples("training.md", {"network": network, "batches": batches})
    expected = np.polyfit(network(images).detach()[:, 0].numpy(), (20 * images.sum(1) + 30).numpy(), 1)
    assert (names["mapping"].slope, names["mapping"].intercept) == pytest.approx(tuple(expected), rel=1e-4)
