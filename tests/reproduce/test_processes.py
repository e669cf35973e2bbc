"""Oracle: processes that do as the test says, in place of training."""

import signal
import sys

import pytest

from linearityiqa.reproduce import ITEMS, processes
from linearityiqa.reproduce.processes import run_in_processes
from linearityiqa.reproduce.setup import Setup
from linearityiqa.training.stopping import StopRequest
from small_reproduction import small_reproduction

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
        monkeypatch.setattr(processes, "COMMAND", [sys.executable, "-c", start + script])
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
