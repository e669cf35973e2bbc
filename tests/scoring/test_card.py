"""Oracle: the record that the card is written from, and the hub's own reader of the head of a card."""

from dataclasses import replace
from pathlib import Path

import pytest

from linearityiqa.config import TransformConfig
from linearityiqa.scoring import Scorer
from pixel_runtime import PixelRuntime, make_record


def test_a_card_says_what_the_file_says() -> None:
    record = replace(make_record(transform=TransformConfig(resize=True)), figures={"test SROCC": 0.91234, "<b>|x": 1})
    card = Scorer(PixelRuntime(record)).card("some/one")
    assert "# one\n" in card
    assert "resnext101_32x8d, trained on photos, people's opinions. Scores lie on 1..100, higher is better." in card
    assert "resized to 498 x 664" in card
    assert "| test SROCC | 0.9123 |\n| (b)/x | 1 |\n" in card
    assert 'Scorer.from_pretrained("some/one")' in card
    assert "--model hf://some/one " in card
    assert "measured" not in Scorer(PixelRuntime()).card("some/one")


def test_the_hub_reads_its_head(tmp_path: Path) -> None:
    hub = pytest.importorskip("huggingface_hub", reason="huggingface_hub is not installed")
    (tmp_path / "README.md").write_text(Scorer(PixelRuntime()).card("some/one"))
    data = hub.ModelCard.load(tmp_path / "README.md").data
    assert data.library_name == "linearityiqa"
    assert data.tags == ["image-quality-assessment", "no-reference"]
