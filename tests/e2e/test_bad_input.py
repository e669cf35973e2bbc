"""What users get wrong: one sentence on standard error, the right status, no traceback, nothing lost."""

import errno
from pathlib import Path

import pytest
import torch

from linearityiqa.cli import main
from linearityiqa.errors import TrainingError
from linearityiqa.training import train
from small_runs import SMALL_BACKBONE, small_run


@pytest.fixture
def failing(capsys):
    """Runs a command line that must fail; gives its status and its one sentence."""

    def run(*words: str) -> tuple[int, str]:
        try:
            status = main(words)
        except SystemExit as stop:
            status = int(stop.code)
        shown = capsys.readouterr()
        assert "Traceback" not in shown.err
        assert shown.err.strip()
        return status, " ".join(shown.err.replace("│", " ").split())

    return run


def words_for(labels: Path, folder: Path, *more: str) -> list[str]:
    small = ["-arch", SMALL_BACKBONE, "--weights", "none", "-bs", "4", "-e", "1", "--num_workers", "0"]
    return ["train", "-ds", str(labels), *small, "--output", str(folder), *more]


@pytest.mark.parametrize(
    ("words", "status", "named"),
    [
        (["train", "-ds", "KonIQ-11k"], 1, "KonIQ-10k"),
        (["train", "-ds", "absent.csv"], 1, "absent.csv"),
        (["train", "-ds", "KonIQ-10k"], 1, "konstanz|database.mmsp-kn.de"),
        (["test", "--model", "absent.safetensors"], 1, "absent.safetensors"),
        (["score"], 2, "nothing to score"),
        (["score", "--model", "absent.safetensors", "photo.jpg"], 1, "absent.safetensors"),
    ],
)
def test_missing_things_are_named_with_a_remedy(words, status, named, failing, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    found, sentence = failing(*words)
    assert found == status
    assert any(word.lower() in sentence.lower() for word in named.split("|"))


def test_unknown_backbone_suggests_its_neighbours(photo_database, tmp_path, failing) -> None:
    status, sentence = failing(*words_for(photo_database, tmp_path, "-arch", "resnet81"))
    assert status == 2
    assert "resnet" in sentence.replace("resnet81", "")


def test_unreadable_image_is_named(photo_database, tmp_path, failing) -> None:
    (tmp_path / "images").mkdir()
    for path in (photo_database.parent / "images").iterdir():
        (tmp_path / "images" / path.name).write_bytes(
            path.read_bytes()[:200] if "05" in path.name else path.read_bytes()
        )
    (tmp_path / "labels.csv").write_text(photo_database.read_text())
    status, sentence = failing(*words_for(tmp_path / "labels.csv", tmp_path / "run"))
    assert status == 1
    assert "photo05.png" in sentence


def test_images_too_small_for_the_network(photo_database, tmp_path, failing) -> None:
    small = ["--resize", "-rs_h", "20", "-rs_w", "20", "-P7", "3"]
    status, sentence = failing(*words_for(photo_database, tmp_path, *small))
    assert status == 1
    assert "20" in sentence


def test_run_folder_that_is_a_file(photo_database, tmp_path, failing) -> None:
    (tmp_path / "taken").write_text("mine")
    status, sentence = failing(*words_for(photo_database, tmp_path / "taken"))
    assert status == 1
    assert "--output" in sentence


def test_full_disk_keeps_the_state_saved_before(photo_database, tmp_path, monkeypatch) -> None:
    original, saves = torch.save, 0

    def full_at_the_third(*arguments, **options):
        nonlocal saves
        saves += 1
        if saves == 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        return original(*arguments, **options)

    monkeypatch.setattr(torch, "save", full_at_the_third)
    config = small_run(photo_database, tmp_path, save_minutes=0)
    with pytest.raises(TrainingError, match="No space left"):
        train(config)
    assert torch.load(tmp_path / "last.pt", weights_only=True)["step"] == 2
    assert sorted(path.name for path in tmp_path.glob(".last*")) == []
