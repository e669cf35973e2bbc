"""Oracles: the undisturbed run; the outcomes that were staged."""

import json
from dataclasses import replace

import pytest

from linearityiqa.config import DeviceConfig
from linearityiqa.errors import Interrupted, TrainingError
from linearityiqa.reproduce import execution
from linearityiqa.reproduce.execution import run_jobs
from linearityiqa.reproduce.job import order_of, progress_of
from linearityiqa.reproduce.setup import ITEMS, Setup
from linearityiqa.training import train
from linearityiqa.training.step import TrainingStep
from small_reproduction import small_reproduction


@pytest.fixture
def config(photo_database, tmp_path):
    return small_reproduction(photo_database, tmp_path, epochs=1)


@pytest.fixture
def jobs(config):
    """Norm-in-Norm, MSE, and MSE with batch normalisation at the end."""
    return Setup(config).jobs([ITEMS["fig4"]])


def states(jobs) -> list[str]:
    return [progress_of(job).state for job in jobs]


def test_a_failing_run_stops_no_other_and_is_made_up_for_by_the_next_call(config, jobs, monkeypatch, caplog):
    def failing(options):
        if options.loss.loss_type == "mse":
            raise RuntimeError("out of memory") if options.model.use_bn_end else TrainingError("no room")
        return train(options)

    with monkeypatch.context() as patch:
        patch.setattr("linearityiqa.training.train", failing)
        outcomes = [tuple(outcome) for outcome in run_jobs(jobs, config).values()]
    assert outcomes == [("done", ""), ("failed", "no room"), ("failed", "RuntimeError: out of memory")]
    assert "no room" in caplog.text
    trained = []
    monkeypatch.setattr("linearityiqa.training.train", lambda options: (trained.append(options), train(options)))
    assert {outcome.status for outcome in run_jobs(jobs, config).values()} == {"done"}
    assert len(trained) == 2
    assert states(jobs) == ["done"] * 3


def test_a_diverged_run_is_remembered_and_tried_again_only_on_request(config, jobs, monkeypatch):
    jobs, original = jobs[1:2], TrainingStep.loss
    monkeypatch.setattr(TrainingStep, "loss", lambda *args: original(*args) * float("nan"))
    (outcome,) = run_jobs(jobs, config).values()
    assert outcome.status == "diverged"
    assert "epoch 1, batch 1 is nan" in outcome.message
    assert json.loads((jobs[0].folder / "diverged.json").read_text()) == {"epoch": 1, "message": outcome.message}
    assert states(jobs) == ["diverged"]
    monkeypatch.setattr(TrainingStep, "loss", original)
    assert run_jobs(jobs, config) == {jobs[0].run: outcome}
    assert run_jobs(jobs, replace(config, fresh=True))[jobs[0].run].status == "done"
    assert not (jobs[0].folder / "diverged.json").exists()
    assert states(jobs) == ["done"]


def test_weights_that_are_no_numbers_are_a_divergence_too(config, jobs, monkeypatch):
    original = TrainingStep.update

    def poisoned(self) -> None:
        original(self)
        for parameter in self.network.head_parameters():
            parameter.data.fill_(float("nan"))

    monkeypatch.setattr(TrainingStep, "update", poisoned)
    (outcome,) = run_jobs(jobs[1:2], replace(config)).values()
    assert outcome.status == "diverged"


def test_an_interrupted_run_stops_the_runner(config, jobs, monkeypatch):
    def interrupted(options):
        raise Interrupted("stopped", 15)

    monkeypatch.setattr("linearityiqa.training.train", interrupted)
    with pytest.raises(Interrupted):
        run_jobs(jobs, config)


def test_a_refused_folder_is_left_alone_until_fresh(config, jobs):
    jobs = jobs[:1]
    jobs[0].folder.mkdir(parents=True)
    (jobs[0].folder / "results.json").write_text("{}")
    (outcome,) = run_jobs(jobs, config).values()
    assert outcome.status == "failed"
    assert "no config.toml" in outcome.message
    assert [path.name for path in jobs[0].folder.iterdir()] == ["results.json"]
    assert run_jobs(jobs, replace(config, fresh=True))[jobs[0].run].status == "done"


def test_an_order_survives_its_journey_as_json(photo_database, tmp_path):
    setup = Setup(small_reproduction(photo_database, tmp_path, test_dataset="other.csv"))
    job = setup.jobs([ITEMS["fig7"]])[0]
    order = order_of(job)
    assert json.loads(json.dumps(order)) == order


def test_a_missing_database_is_said_once_and_before_anything_is_trained(config, photo_database, monkeypatch, caplog):
    monkeypatch.setattr("linearityiqa.training.train", lambda options: pytest.fail("trained"))
    nowhere = replace(config, dataset="nowhere/labels.csv")
    outcomes = run_jobs(Setup(nowhere).jobs([ITEMS["fig4"]]), nowhere)
    assert {outcome.status for outcome in outcomes.values()} == {"failed"}
    assert caplog.text.count("nowhere/labels.csv") == 1


def test_a_missing_second_database_costs_its_tests_only(config, caplog):
    config = replace(config, test_dataset="nowhere/labels.csv")
    (job,) = Setup(config).jobs([ITEMS["tab2"]])[:1]
    (outcome,) = run_jobs([job], config).values()
    assert outcome.status == "failed"
    assert "nowhere/labels.csv" in outcome.message
    assert caplog.text.index("nowhere/labels.csv") < caplog.text.index("run 1 of 1")
    assert (job.folder / "model.safetensors").exists()
    assert progress_of(job).words == "trained, not yet tested on nowhere/labels.csv"


@pytest.mark.parametrize(
    ("device", "gpus", "expected"),
    [
        ("auto", ("0", "GPU-b"), [{"CUDA_VISIBLE_DEVICES": gpu} for gpu in ("0", "GPU-b", "0")]),
        ("cpu", ("0", "1"), [{"OMP_NUM_THREADS": "2"}] * 3),
        ("auto", (), [{"OMP_NUM_THREADS": "2"}] * 3),
        ("cuda:1", ("0", "1"), [{"OMP_NUM_THREADS": "2"}] * 3),  # as asked: all on the one that is named
    ],
)
def test_processes_take_gpus_in_turn_or_share_the_cores(jobs, monkeypatch, device, gpus, expected):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr("linearityiqa.models.device.visible_gpus", lambda: gpus)
    monkeypatch.setattr(execution, "default_workers", lambda _: 6)
    job = replace(jobs[0], config=replace(jobs[0].config, device=DeviceConfig(device=device)))
    assert [execution.worker_environment(job, slot, 3) for slot in range(3)] == expected
