"""A run whose worker is killed goes on in another one (oracle: the undisturbed run, in this process)."""

import shutil
from pathlib import Path

import pytest

from linearityiqa.config import DeviceConfig
from linearityiqa.errors import ConfigError
from linearityiqa.reproduce import ITEMS, ray_cluster
from linearityiqa.reproduce.execution import run_jobs
from linearityiqa.reproduce.order import carry_out
from linearityiqa.reproduce.ray_cluster import _resources
from linearityiqa.reproduce.setup import Setup
from small_reproduction import one_thread, small_reproduction


def test_a_killed_workers_run_is_resumed(photo_database, tmp_path, monkeypatch):
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'linearityiqa[ray]'")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    config = small_reproduction(photo_database, Path("here"), "figA2", ray="local")  # below the current folder
    (job,) = jobs = Setup(config).jobs([ITEMS["figA2"]])
    original, workers = ray_cluster._carry_out_there, tmp_path / "workers"

    def killed_once(folder, order):
        """Nested, so that it travels to the worker whole: die at the first saved state, if nobody has died yet."""
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

    monkeypatch.setattr(ray_cluster, "_carry_out_there", killed_once)
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
        ("auto", 8, {"CPU": 2.0}, (2, 0)),  # more than any node has would wait for ever
    ],
)
def test_what_a_run_reserves(device, workers, node, expected):
    nodes = [{"Alive": True, "Resources": node}, {"Alive": False, "Resources": {"CPU": 99.0, "GPU": 9.0}}]
    found = _resources(DeviceConfig(device=device, num_workers=workers), nodes)
    assert (found["num_cpus"], found["num_gpus"]) == expected


def test_a_gpu_that_no_node_has_is_refused():
    with pytest.raises(ConfigError, match="needs a GPU"):
        _resources(DeviceConfig(device="cuda"), [{"Alive": True, "Resources": {"CPU": 4.0}}])
