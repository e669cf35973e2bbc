"""Two processes against one: the same losses, metrics and files, whatever happens to one of them.

Oracle: the same steps, and the same run, in one process; for a run that was killed, one that was stopped elsewhere.
Processes that live now agree on one name, whatever those before them have left.
"""

import csv
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist

import distributed_ranks
from distributed_ranks import shared_run
from linearityiqa.config import DataConfig, DeviceConfig, ModelConfig, OptimiserConfig, TrainConfig
from linearityiqa.errors import ConfigError, DataError, TrainingError
from linearityiqa.models import LinearityIQA
from linearityiqa.training import distributed, train
from linearityiqa.training.distributed import ALONE, World, agree_on_prefix
from linearityiqa.training.session import open_session
from small_runs import SMALL_BACKBONE, changed

pytestmark = pytest.mark.slow

PATIENCE = 900.0
ADDRESS = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29500"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("distributed")


@pytest.fixture(scope="module")
def output(photo_database: Path, folder: Path) -> str:
    """What torchrun and the two processes have printed."""
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    words = [*torchrun, "--max-restarts", "1", distributed_ranks.__file__, str(folder), str(photo_database)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    launcher = subprocess.Popen(
        words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )
    try:
        printed, _ = launcher.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        launcher.terminate()  # which ends the processes that it has started
        printed, _ = launcher.communicate()
    assert launcher.returncode == 0, printed
    return printed


@pytest.fixture(scope="module")
def found(output: str, folder: Path) -> list[dict[str, Any]]:
    """What each of the two processes has found."""
    return [torch.load(folder / f"found{rank}.pt") for rank in range(2)]


def table(folder: Path, name: str) -> list[dict[str, str]]:
    with (folder / name).open(newline="") as file:
        return list(csv.DictReader(file))


def test_communication_of_two_processes(found) -> None:
    """Rows in the order of the ranks, gradients to the own rows alone; process 0 draws from the seed of the run."""
    for each in found:
        told = each["communication"]
        assert told["gathered"].tolist() == [[0, 1, 2], [10, 11, 12]]
        assert told["labels"].tolist() == [7, 7]
        assert told["gradient"].tolist() == [[0 + 3, 1 + 4, 2 + 5]]
        assert told["all_reduce_max"] == (1, 0)
        assert told["from_main"] == b"main"
    first, second = (each["communication"]["seeds"][0] for each in found)
    assert first == 5 != second


@pytest.mark.parametrize(
    ("case", "tolerance"),
    [
        ("float64", 1e-8),
        ("float32", 1e-3),
        ("frozen backbone", 1e-8),
        ("accumulated", 1e-8),
        ("accumulated exactly", 1e-8),
    ],
)
def test_losses_are_those_of_one_process(found, case, tolerance) -> None:
    losses = found[0]["steps"][case]
    assert losses["together"] == pytest.approx(losses["alone"], abs=tolerance, rel=0)
    assert losses["together"] == found[1]["steps"][case]["together"]
    assert len(set(losses["alone"])) == len(losses["alone"]) > 1


def test_the_first_epochs_metrics_are_those_of_one_process(found, folder, photo_database) -> None:
    train(changed(shared_run(photo_database, folder / "alone", folder / "backbone.pth"), epochs=1))
    alone = table(folder / "alone", "metrics.csv")
    together = table(folder / "stopped", "metrics.csv")[: len(alone)]
    assert [(row["epoch"], row["split"]) for row in together] == [("1", "train"), ("1", "val"), ("1", "test")]
    for row, expected in zip(together, alone, strict=True):
        for column in set(row) - {"split"}:
            assert float(row[column] or 0) == pytest.approx(float(expected[column] or 0), rel=1e-3, abs=1e-3), column


def test_all_processes_have_the_results_and_the_first_alone_writes(found, folder) -> None:
    assert found[0]["results"] == found[1]["results"]
    assert not (folder / "not written").exists()
    assert len(table(folder / "stopped", "predictions.csv")) == 6
    assert len(list((folder / "stopped").glob("events.out.tfevents.*"))) == 1


def test_a_signal_to_one_process_stops_both_after_the_same_step(found, folder) -> None:
    assert [each["status"] for each in found] == [128 + signal.SIGTERM] * 2
    left = torch.load(folder / "left to one process" / "last.pt")
    assert (left["epoch"], left["step"], left["processes"]) == (2, 1, 2)


def test_one_process_goes_on_where_two_were_stopped_and_says_what_that_means(
    found, folder, photo_database, caplog
) -> None:
    train(shared_run(photo_database, folder / "left to one process", folder / "backbone.pth"))
    assert "2 processes have computed this run, from here on 1" in caplog.text
    losses = [
        [float(row["loss"]) for row in table(folder / name, "metrics.csv") if row["split"] == "train"]
        for name in ("left to one process", "stopped")
    ]
    assert losses[0] == pytest.approx(losses[1], abs=1e-3)


@pytest.mark.usefixtures("output")
def test_a_process_that_is_left_alone_says_so(folder, photo_database, tmp_path) -> None:
    # without torchrun, which may end the one that is left before it has noticed
    shutil.copy(folder / "backbone.pth", tmp_path)
    words = [sys.executable, distributed_ranks.__file__, str(tmp_path), str(photo_database), "killed"]
    with socket.socket() as free:
        free.bind((ADDRESS["MASTER_ADDR"], 0))
        port = str(free.getsockname()[1])
    shared = ADDRESS | {"MASTER_PORT": port, "WORLD_SIZE": "2", "TORCHELASTIC_RESTART_COUNT": "0"}
    left, killed = (
        subprocess.Popen(words, env=os.environ | shared | {"RANK": rank}, stderr=subprocess.PIPE, text=True)
        for rank in ("0", "1")
    )
    try:
        _, said = left.communicate(timeout=PATIENCE)
        killed.communicate(timeout=PATIENCE)
    finally:
        for process in (left, killed):
            process.kill()
    assert killed.returncode == -signal.SIGKILL
    assert left.returncode == TrainingError.exit_status
    assert "error (process 0 of 2): another process of this run has ended" in said


def test_torchrun_starts_again_after_a_kill_and_process_0_speaks_for_both(output) -> None:
    assert output.count("resuming with epoch 1, batch 2") == 1  # although the command says --fresh
    assert output.count("model file:") == 1


def test_a_run_that_was_killed_and_one_that_was_stopped_elsewhere_end_in_the_same_bits(found, folder) -> None:
    for name in ("metrics.csv", "predictions.csv", "model.safetensors", "results.json"):
        assert (folder / "killed" / name).read_bytes() == (folder / "stopped" / name).read_bytes(), name


@pytest.mark.parametrize(
    ("optimiser", "architecture", "error", "message"),
    [
        ({"batch_size": 3, "freeze_bn": True}, SMALL_BACKBONE, ConfigError, "batch_size 3 leaves some of the 4"),
        ({"batch_size": 8}, SMALL_BACKBONE, ConfigError, "on a CPU train with --freeze_bn"),
        (
            {"batch_size": 8},
            "alexnet",
            DataError,
            "there is no label file",
        ),  # which has no batch normalisation to share
    ],
)
def test_what_cannot_be_shared_is_refused_before_anything_is_read(
    tmp_path, optimiser, architecture, error, message
) -> None:
    config = TrainConfig(
        model=ModelConfig(architecture=architecture),
        data=DataConfig(dataset=str(tmp_path / "labels.csv")),
        optimiser=OptimiserConfig(**optimiser),
        device=DeviceConfig(device="cpu"),
    )
    with pytest.raises(error, match=message):
        open_session(config, resuming=False, world=World(rank=0, size=4, local_size=4))


@pytest.mark.parametrize("architecture", [SMALL_BACKBONE, "timm/test_efficientnet"])
def test_synchronised_batch_norm_keeps_names_and_values(architecture) -> None:
    """timm's normalisation holds its activation."""
    if architecture.startswith("timm/"):
        pytest.importorskip("timm")
    torch.manual_seed(0)
    network = LinearityIQA(ModelConfig(architecture=architecture)).eval()
    names, images = list(network.state_dict()), torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        before = network(images)
        network.synchronise_batch_norm()
        after = network(images)
    assert list(network.state_dict()) == names
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    kinds = {type(module).__name__ for module in network.backbone.modules()}
    assert not kinds & {"BatchNorm2d", "BatchNormAct2d"}
    assert any(isinstance(module, torch.nn.SyncBatchNorm) for module in network.backbone.modules())


def test_variables_of_torchrun_and_none() -> None:
    assert World.from_environment({}) == World.from_environment({"WORLD_SIZE": "1", "RANK": "0"}) == ALONE
    environment = {"WORLD_SIZE": "4", "RANK": "3", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "2", **ADDRESS}
    assert World.from_environment(environment) == World(3, 4, 1, 2, 0)
    restarted = environment | {"TORCHELASTIC_RESTART_COUNT": "2"}
    assert World.from_environment(restarted).restarts == 2


@pytest.mark.parametrize(
    "environment",
    [
        {"WORLD_SIZE": "2", **ADDRESS},
        {"WORLD_SIZE": "two", "RANK": "0", **ADDRESS},
        {"WORLD_SIZE": "2", "RANK": "2", **ADDRESS},
        {"WORLD_SIZE": "2", "RANK": "0", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "1", **ADDRESS},
        {"WORLD_SIZE": "2", "RANK": "0", "MASTER_ADDR": "localhost"},
    ],
)
def test_variables_that_contradict_each_other_are_refused(environment) -> None:
    with pytest.raises(ConfigError, match="Start several processes with torchrun"):
        World.from_environment(environment)


@pytest.mark.parametrize(
    ("asked", "gpus", "given"), [("auto", 0, "auto"), ("cpu", 2, "cpu"), ("auto", 2, "cuda:1"), ("cuda", 2, "cuda:1")]
)
def test_each_process_takes_the_gpu_of_its_number(asked, gpus, given, monkeypatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    assert World(rank=3, size=4, local_rank=1, local_size=2).device_name(asked) == given
    assert ALONE.device_name(asked) == asked


@pytest.mark.parametrize(("asked", "message"), [("auto", "2 processes on a machine with 1 GPU"), ("cuda:0", "share")])
def test_processes_without_a_gpu_of_their_own_are_refused(asked, message, monkeypatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(ConfigError, match=message):
        World(rank=1, size=2, local_rank=1, local_size=2).device_name(asked)


def agreed_names(store: dist.Store, late: int | None = None) -> set[str]:
    """The names that three processes get, of which one comes late."""

    def come(rank: int) -> str:
        time.sleep(0.4 if rank == late else 0)
        return agree_on_prefix(store, rank, 3)

    with ThreadPoolExecutor(3) as pool:
        return set(pool.map(come, range(3)))


@pytest.mark.parametrize("late", [None, 0, 2])
def test_all_agree_on_a_name_that_is_new_each_time(late: int | None) -> None:
    store = dist.HashStore()
    first = agreed_names(store)
    again = agreed_names(store, late)
    assert len(first) == len(again) == 1
    assert first != again


def test_the_dead_are_not_waited_for_and_the_missing_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    store = dist.HashStore()
    agreed_names(store)
    monkeypatch.setattr(distributed, "TIMEOUT", timedelta(seconds=0.3))
    with pytest.raises(TrainingError, match="some have not come"):
        agree_on_prefix(store, 0, 3)
