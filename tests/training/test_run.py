"""What a run says of itself. Oracle: the run's own options, database and results."""

import logging

import torch

from linearityiqa.models import load_model
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
