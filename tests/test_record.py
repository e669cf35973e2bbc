"""Oracles: the sets of files that digests were made of; for the card its record, and the hub's own reader."""

from dataclasses import replace

import numpy as np
import pytest

from linearityiqa.config import TransformConfig
from linearityiqa.record import ImageDigests
from linearityiqa.scoring import Scorer
from pixel_runtime import PixelRuntime, make_record


@pytest.fixture
def files(tmp_path):
    for number in range(300):
        (tmp_path / f"photo{number}.png").write_bytes(b"x" * number)
    return [tmp_path / f"photo{number}.png" for number in range(300)]


def test_files_are_noticed_wherever_they_lie(files, tmp_path):
    (tmp_path / "copies").mkdir()
    copies = [path.rename(path.parent / "copies" / path.name.upper()) for path in files[:50]]
    known = ImageDigests.of(files[50:150])
    assert ImageDigests.of(copies).among(ImageDigests.of([])) == (0, 0)
    assert ImageDigests.of([]).among(known) == (0, 0)
    assert known.among(ImageDigests.of(files[100:200])) == (50, 0)
    (tmp_path / "photo7.png").write_bytes(b"other")
    assert ImageDigests.of(copies).among(ImageDigests.of([tmp_path / "photo7.png"])) == (0, 1)


def test_plain_values_give_the_digests_back(files):
    digests = ImageDigests.of(files)
    assert ImageDigests.from_dict(digests.as_dict()) == digests
    assert len(digests.as_dict()["digests"]) == 8 * len(files)
    assert ImageDigests.from_dict(ImageDigests.of([]).as_dict()).among(digests) == (0, 0)
    for damaged in ("!", "AAAA"):
        with pytest.raises(ValueError, match=r"base64|length|padding|digit"):
            ImageDigests.from_dict({"count": 1, "digests": damaged})


def test_of_many_files_some_are_kept_and_the_number_is_estimated(files):
    kept = ImageDigests.of(files, 100)
    assert (kept.count, len(kept.digests)) == (300, 600)
    found, _ = kept.among(ImageDigests.of(files[:150]))
    # hypergeometric: 100 of 300 kept, of which each is among the first 150 with a probability of a half
    assert abs(found - 150) < 5 * 3 * np.sqrt(100 * 0.25)
    assert kept.among(ImageDigests.of(files))[0] == 300


def test_a_card_says_what_the_file_says():
    record = replace(make_record(transform=TransformConfig(resize=True)), figures={"test SROCC": 0.91234, "<b>|x": 1})
    card = Scorer(PixelRuntime(record)).card("some/one")
    assert "# one\n" in card
    assert "resnext101_32x8d, trained on photos, people's opinions. Scores lie on 1..100, higher is better." in card
    assert "resized to 498 x 664" in card
    assert "| test SROCC | 0.9123 |\n| (b)/x | 1 |\n" in card
    assert 'Scorer.from_pretrained("some/one")' in card
    assert "--model hf://some/one " in card
    assert "measured" not in Scorer(PixelRuntime()).card("some/one")


def test_the_hub_reads_its_head(tmp_path):
    hub = pytest.importorskip("huggingface_hub", reason="huggingface_hub is not installed")
    (tmp_path / "README.md").write_text(Scorer(PixelRuntime()).card("some/one"))
    data = hub.ModelCard.load(tmp_path / "README.md").data
    assert data.library_name == "linearityiqa"
    assert data.tags == ["image-quality-assessment", "no-reference"]
