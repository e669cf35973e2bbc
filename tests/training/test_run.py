"""What a run says of itself, needs, and leaves. Oracle: the run's own options, database and results."""

import logging
import os
import shutil
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from linearityiqa.config import TransformConfig
from linearityiqa.errors import DataError, UnreadableImageError
from linearityiqa.models import device, load_model, open_model
from linearityiqa.training import train
from linearityiqa.training.step import TrainingStep
from small_runs import SMALL_BACKBONE, changed, small_run


def test_one_header_comes_before_the_first_step(photo_database, tmp_path, monkeypatch, caplog):
    said_before = []
    original = TrainingStep.accumulate

    def accumulate(self, *batches, **options):
        said_before.append("\n".join(caplog.messages))
        return original(self, *batches, **options)

    monkeypatch.setattr(TrainingStep, "accumulate", accumulate)
    caplog.set_level(logging.INFO, "linearityiqa")
    result = train(changed(small_run(photo_database, tmp_path), epochs=1))
    header = {line[:11].strip(): line[12:] for line in said_before[0].splitlines()}
    assert header["database"] == "labels: 12 train, 6 val, 6 test images"
    parameters = sum(parameter.numel() for parameter in load_model(result.model_file).parameters())
    assert header["network"] == f"{SMALL_BACKBONE}, {parameters:,} parameters, random weights"
    assert header["device"].startswith(f"cpu ({torch.get_num_threads()} threads), {result.results['precision']}")
    assert header["training"] == "norm-in-norm loss, 3 batches of 4 images an epoch, 1 epochs"
    assert header["run folder"] == str(tmp_path)
    assert sum("run folder" in message for message in caplog.messages) == 1


def test_the_last_update_of_an_epoch_is_the_mean_of_the_losses_that_are_left(photo_database, tmp_path):
    """Oracle: accumulation over the three batches that an epoch has; SGD's step is proportional to the gradient."""
    found = []
    for steps in (3, 4):
        run = changed(small_run(photo_database, tmp_path / str(steps)), accumulation_steps=steps, optimizer="sgd")
        found.append(load_model(train(changed(run, epochs=1)).model_file).state_dict())
    assert all(torch.equal(value, found[1][name]) for name, value in found[0].items())


def copied(photo_database, folder):
    """The labels of a copy of the database, whose images lie beside them."""
    shutil.copytree(photo_database.parent / "images", folder)
    return Path(shutil.copy(photo_database, folder))


def test_an_image_of_the_test_set_without_a_header_is_found_before_the_first_step(
    photo_database, tmp_path, monkeypatch
):
    """Also where images are resized, so that no step needs their sizes."""
    labels = copied(photo_database, tmp_path / "photos")
    (labels.parent / "photo23.png").write_bytes(b"no image")
    monkeypatch.setattr(TrainingStep, "accumulate", lambda *_, **__: pytest.fail("trained"))
    for size in (TransformConfig(), TransformConfig(resize=True, resize_size_h=48, resize_size_w=64)):
        with pytest.raises(UnreadableImageError, match=r"photo23\.png"):
            train(small_run(labels, tmp_path / "run", transform=size))


def test_a_test_image_that_breaks_off_leaves_a_model_and_a_run_that_resumes(photo_database, tmp_path):
    """Oracle: the run on whole images."""
    labels = copied(photo_database, tmp_path / "photos")
    image, run = labels.parent / "photo23.png", changed(small_run(labels, tmp_path / "run"), epochs=1)
    whole = image.read_bytes()
    image.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"photo23\.png.* the same command resumes"):
        train(run)
    assert set(open_model(tmp_path / "run" / "model.safetensors").record.figures) == {
        "val SROCC",
        "val PLCC",
        "val RMSE",
    }
    image.write_bytes(whole)
    undisturbed = train(changed(small_run(labels, tmp_path / "undisturbed"), epochs=1))
    assert train(run).results["splits"] == undisturbed.results["splits"]
    record = open_model(undisturbed.model_file).record
    assert open_model(tmp_path / "run" / "model.safetensors").record.figures == record.figures


def test_a_finished_run_needs_no_image(photo_database, tmp_path):
    labels = copied(photo_database, tmp_path / "photos")
    run = changed(small_run(labels, tmp_path / "run"), epochs=1)
    results = train(run).results
    for image in labels.parent.glob("*.png"):
        image.write_bytes(b"gone")
    assert train(run).results == results


@pytest.mark.parametrize("scale", ["given", "standard"])
def test_labels_that_are_all_the_same_are_refused(scale, photo_database, tmp_path):
    labels = copied(photo_database, tmp_path / "photos")
    header, *rows = labels.read_text().splitlines()
    rows = [row if row.endswith("test") else ",".join([row.split(",")[0], "0.1", *row.split(",")[2:]]) for row in rows]
    labels.write_text("\n".join([header, *rows]))
    with pytest.raises(DataError, match="all training images have the same MOS"):
        train(changed(small_run(labels, tmp_path / "run"), label_scale=scale))


def settings() -> list[object]:
    """What torch says of its settings for the whole process."""
    cudnn, memory = torch.backends.cudnn, torch.utils.deterministic
    return [
        *(cudnn.benchmark, cudnn.deterministic, cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32),
        *(torch.get_deterministic_debug_mode(), memory.fill_uninitialized_memory, torch.get_num_threads()),
        *(os.environ.get("CUBLAS_WORKSPACE_CONFIG"), torch.get_rng_state().tolist()),
    ]


@pytest.mark.parametrize("outcome", ["finished", "failed"])
def test_settings_of_the_process_are_as_before(outcome, photo_database, tmp_path, monkeypatch):
    """Oracle: torch; malloc's settings, which nobody can read or restore, are left to the commands."""
    monkeypatch.setattr(device, "keep_freed_memory", lambda: pytest.fail("malloc's settings changed"))
    if outcome == "failed":
        monkeypatch.setattr(TrainingStep, "update", lambda _: 1 / 0)
    run = changed(small_run(photo_database, tmp_path), epochs=1)
    run = replace(run, device=replace(run.device, num_threads=3))
    cudnn = {"benchmark": True, "deterministic": False, "allow_tf32": True}
    torch.set_deterministic_debug_mode("warn")
    try:
        with torch.backends.cudnn.flags(enabled=True, **cudnn):
            before = settings()
            with nullcontext() if outcome == "finished" else pytest.raises(ZeroDivisionError):
                train(run)
            assert settings() == before
    finally:
        torch.set_deterministic_debug_mode("default")
