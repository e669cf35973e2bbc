"""Oracle: processes that do as the test says, in place of training."""

import shutil
import signal
import sys
from pathlib import Path

import pytest

from linearityiqa.config import DeviceConfig
from linearityiqa.errors import ConfigError
from linearityiqa.reproduce import execution
from linearityiqa.reproduce.execution import ray_resources, run_in_processes, run_jobs
from linearityiqa.reproduce.job import carry_out
from linearityiqa.reproduce.setup import ITEMS, Setup
from linearityiqa.training.stopping import StopRequest
from small_reproduction import one_thread, small_reproduction

pytestmark = pytest.mark.slow

START = """import json, os, pathlib, signal, sys, time
label, folder, labels = json.loads(sys.stdin.readline())["label"], pathlib.Path({folder!r}), {labels!r}
def begun(count):
    (folder / f"begun-{{label}}").touch()
    while len(list(folder.glob("begun-*"))) < count:
        time.sleep(0.01)
def end(status):
    print("noise")
    print(json.dumps({{"status": status, "message": label}}))
    sys.exit()
"""


@pytest.fixture
def run(photo_database, tmp_path, monkeypatch):
    """Run three jobs by a script in place of the worker; number and outcome of each as it ends."""
    jobs = Setup(small_reproduction(photo_database, tmp_path)).jobs([ITEMS["fig4"]])
    labels = [job.folder.name for job in jobs]

    def run_script(script, count, stop=None):
        start = START.format(folder=str(tmp_path), labels=labels)
        monkeypatch.setattr(execution, "COMMAND", [sys.executable, "-c", start + script])
        for job, outcome in run_in_processes(jobs, count, stop or StopRequest()):
            assert outcome.message in (job.folder.name, "") or outcome.status == "failed"
            yield labels.index(job.folder.name), outcome

    return run_script


def test_outcomes_are_those_that_the_processes_print(run):
    outcomes = dict(run("end('diverged' if label == labels[1] else 'done')", 2))
    assert [outcomes[number].status for number in range(3)] == ["done", "diverged", "done"]


def test_as_many_run_at_once_as_asked(run):
    assert len(dict(run("begun(3)\nend('done')", 3))) == 3  # each waits until all three have begun


def test_a_process_that_dies_is_a_failed_run_and_the_others_go_on(run):
    script = (
        "if label == labels[0]: os.kill(os.getpid(), signal.SIGKILL)\nif label == labels[1]: sys.exit(3)\nend('done')"
    )
    outcomes = dict(run(script, 1))
    assert [outcomes[number].status for number in range(3)] == ["failed", "failed", "done"]
    assert "was killed by signal 9" in outcomes[0].message
    assert "ended with status 3" in outcomes[1].message


def test_a_process_that_prints_much_is_read_all_the_time(run):
    script = """
signal.alarm(60)  # ends one that waits for its reader
print("x" * 200_000)
print("line\\n" * 200_000)
end("done")
"""
    outcomes = dict(run(script, 3))
    assert [outcomes[number].status for number in range(3)] == ["done"] * 3


def test_a_stop_reaches_those_that_run_and_starts_no_more(run):
    script = """
signal.signal(signal.SIGTERM, lambda *_: end("stopped"))
begun(2)
if label == labels[0]: end("done")
time.sleep(60)
"""
    stop, statuses = StopRequest(), {}
    for number, outcome in run(script, 2, stop):
        statuses[number] = outcome.status
        stop.signal_number = signal.SIGTERM
    assert statuses == {0: "done", 1: "stopped"}


def test_a_killed_workers_run_is_resumed(photo_database, tmp_path, monkeypatch):
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'linearityiqa[ray]'")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    config = small_reproduction(photo_database, Path("here"), "figA2", ray="local")  # below the current folder
    (job,) = jobs = Setup(config).jobs([ITEMS["figA2"]])
    original, workers = execution.carry_out_there, tmp_path / "workers"

    def killed_once(folder, order):
        """Nested, so that it travels to the worker whole: die at the first saved state, once."""
        import os
        import signal

        from linearityiqa.training.state import RunState

        first = not workers.exists()
        with workers.open("a") as stream:
            stream.write(f"{os.getpid()}\n")
        save = RunState.save

        def save_and_die(self, run):
            save(self, run)
            os.kill(os.getpid(), signal.SIGKILL)

        if first:
            RunState.save = save_and_die
        return original(folder, order)

    monkeypatch.setattr(execution, "carry_out_there", killed_once)
    (outcome,) = run_jobs(jobs, config).values()
    assert outcome.status == "done", outcome.message
    assert len(set(workers.read_text().split())) == 2
    resumed = {name: (job.folder / name).read_bytes() for name in ("metrics.csv", "bhat.csv", "predictions.csv")}
    shutil.rmtree(job.folder)
    with one_thread():
        assert carry_out(job.config, job.tests).status == "done"
    assert resumed == {name: (job.folder / name).read_bytes() for name in resumed}


@pytest.mark.parametrize(
    ("device", "workers", "node", "expected"),
    [
        ("auto", None, {"CPU": 16.0}, (1, 0)),
        ("auto", 3, {"CPU": 16.0}, (4, 0)),
        ("auto", None, {"CPU": 16.0, "GPU": 8.0}, (5, 1)),
        ("cpu", 0, {"CPU": 16.0, "GPU": 8.0}, (1, 0)),
        ("auto", 8, {"CPU": 2.0}, (2, 0)),  # more than any node has would never start
    ],
)
def test_what_a_run_reserves(device, workers, node, expected):
    nodes = [{"Alive": True, "Resources": node}, {"Alive": False, "Resources": {"CPU": 99.0, "GPU": 9.0}}]
    found = ray_resources(DeviceConfig(device=device, num_workers=workers), nodes)
    assert (found["num_cpus"], found["num_gpus"]) == expected


def test_a_gpu_that_no_node_has_is_refused():
    with pytest.raises(ConfigError, match="needs a GPU"):
        ray_resources(DeviceConfig(device="cuda"), [{"Alive": True, "Resources": {"CPU": 4.0}}])
