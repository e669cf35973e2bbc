"""The command, short: figures and tables of a tiny backbone; killed and started again (oracle: the undisturbed run)."""

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from linearityiqa.cli import main
from linearityiqa.config import ReproduceConfig, command_words
from linearityiqa.errors import Interrupted
from linearityiqa.reproduce.execution import Worker
from linearityiqa.reproduce.job import progress_of
from linearityiqa.reproduce.reproduction import reproduce
from linearityiqa.reproduce.setup import ITEMS, Setup
from linearityiqa.run_folders import read_curves, saved_config
from linearityiqa.training.step import TrainingStep
from linearityiqa.training.trainer import Trainer
from small_reproduction import numbers, one_thread, small_reproduction
from small_runs import killed_at


@pytest.fixture(autouse=True, scope="module")
def same_bits() -> Iterator[None]:
    """One thread here and in all processes."""
    with one_thread(), pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        yield


@pytest.fixture(scope="module")
def undisturbed(photo_database: Path, tmp_path_factory: pytest.TempPathFactory) -> ReproduceConfig:
    """Four items, reproduced in one go."""
    config = small_reproduction(
        photo_database, tmp_path_factory.mktemp("undisturbed"), "fig4", "figA2", "tab2", "ttest"
    )
    reproduce(config)
    return config


def test_the_command_draws_again_what_is_done(undisturbed, tmp_path, capsys) -> None:
    config = replace(undisturbed, output=tmp_path / "again", export=tmp_path / "exported")
    words = ["reproduce", *command_words(config)]
    assert main([*words, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert list(found["items"]) == ["fig4", "tab2", "figA2", "ttest"]
    assert [run["status"] for run in found["runs"]] == ["done"] * 12
    files = [Path(path) for item in found["items"].values() for path in item["files"]]
    assert all(path.stat().st_size > 0 for path in files)
    assert {path.suffix for path in files} == {".pdf", ".png", ".md", ".tex", ".csv", ".json"}
    assert numbers(config.output) == numbers(undisturbed.output)
    page = Path(found["report"]).read_text()
    for text in ("python main.py", "cannot be compared with the published", "No second database was named"):
        assert text in page
    assert len(found["exported"]) == 6 + 2 + 1
    assert main([*words, "--dry_run"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("12 runs: 12 done\n")
    assert out.count("  python main.py --") == 12


def test_losses_are_trained_with_every_seed_and_serve_figure_1(photo_database, tmp_path, capsys) -> None:
    config = small_reproduction(photo_database, tmp_path, "losses", "fig1", seeds=2)
    assert main(["reproduce", *command_words(config), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert not found["failures"]
    assert len(found["runs"]) == 10  # figure 1's are those of the first seed
    trained = {}
    for folder in config.log_dir.iterdir():
        its = saved_config(folder)
        trained[its.loss.loss_type, its.optimiser.label_scale, its.optimiser.seed] = read_curves(folder)
    assert len(trained) == 10
    curves = numbers(config.output)["losses.json"]["curves"]
    assert len(curves) == 10 * 3 * 3
    for curve in curves:
        options = {"label_scale": "given", "seed": config.seed} | curve["options"]
        its = trained[curve["loss"], options["label_scale"], options["seed"]]
        assert curve["values"] == its[curve["split"]][curve["metric"]]


@pytest.mark.parametrize(
    ("owner", "method", "call"),
    [
        (TrainingStep, "update", 3),  # inside the first run
        (Trainer, "_end_phase", 6),  # inside the second one, between training and testing
    ],
)
def test_killed_and_started_again_ends_in_the_same_numbers(
    owner, method, call, photo_database, tmp_path, undisturbed
) -> None:
    config = small_reproduction(photo_database, tmp_path, "fig4")
    with killed_at(owner, method, call):
        reproduce(config)
    assert not numbers(tmp_path / "reproduced")
    reproduce(config)
    assert numbers(tmp_path / "reproduced") == {"fig4.json": numbers(undisturbed.output)["fig4.json"]}


@pytest.fixture
def terminated_after_a_save(tmp_path) -> Iterator[None]:
    """This process gets SIGTERM once a state below `tmp_path` is written anew."""
    over = threading.Event()

    def watch() -> None:
        before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("last.pt")}
        while not over.wait(0.002):
            if any(path.stat().st_mtime_ns != before.get(path) for path in tmp_path.rglob("last.pt")):
                os.kill(os.getpid(), signal.SIGTERM)
                return

    thread = threading.Thread(target=watch)
    previous = signal.signal(signal.SIGTERM, signal.SIG_IGN)  # outside a run it must not end the tests
    thread.start()
    yield
    over.set()
    thread.join()
    signal.signal(signal.SIGTERM, previous)


def test_a_process_that_lost_its_runner_leaves_the_folder_to_the_next_one(
    photo_database, tmp_path, undisturbed
) -> None:
    config = small_reproduction(photo_database, tmp_path, "figA2", jobs=2)
    (job,) = Setup(config).jobs([ITEMS["figA2"]])
    orphan = Worker.start(job, {})
    while not (job.folder / "last.pt").exists() and orphan.process.poll() is None:
        time.sleep(0.002)
    orphan.close()  # as when the runner is killed
    assert orphan.process.returncode != 0
    assert progress_of(job).state == "part done"
    reproduce(config)
    assert numbers(config.output) == {"figA2.json": numbers(undisturbed.output)["figA2.json"]}


def test_processes_save_their_states_when_the_runner_is_asked_to_stop(
    photo_database, tmp_path, terminated_after_a_save
) -> None:
    config = small_reproduction(photo_database, tmp_path, "figA2", jobs=2, epochs=50)
    with pytest.raises(Interrupted, match="the same command resumes") as stop:
        reproduce(config)
    assert stop.value.exit_status == 128 + signal.SIGTERM
    (job,) = Setup(config).jobs([ITEMS["figA2"]])
    assert progress_of(job).state == "part done"
    assert not config.output.exists()


def test_a_failed_item_is_named_the_others_are_drawn_and_the_status_is_1(photo_database, tmp_path, capsys) -> None:
    config = small_reproduction(photo_database, tmp_path, "figA2", "fig4", epochs=1)
    words = ["reproduce", *command_words(config)]
    assert main([*words, "--dry_run", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {row["state"] for row in rows} == {"missing"}
    folder = Path(next(row["folder"] for row in rows if "--use_bn_end" in row["command"]))
    folder.mkdir(parents=True)
    (folder / "results.json").write_text("{}")
    assert main(words) == 1
    out, err = capsys.readouterr()
    assert "figA2" in out
    assert "error: fig4: " in err
    assert "no config.toml" in err
    assert (config.output / "figA2.json").exists()
    assert not (config.output / "fig4.json").exists()


def test_an_unknown_item_lists_the_known_ones(capsys) -> None:
    assert main(["reproduce", "fig3"]) == 2
    assert "known: fig1, fig4" in capsys.readouterr().err


def test_published_results_are_drawn_without_training(real_data, tmp_path, capsys) -> None:
    words = ["reproduce", "fig4", "tabA2", "--from", str(real_data / "paper"), "--output", str(tmp_path)]
    assert main(words) == 1
    out, err = capsys.readouterr()
    assert "fig4" in out
    assert err.count("error: ") == 1
    assert "tabA2" in err
    assert (tmp_path / "fig4.pdf").read_bytes().startswith(b"%PDF")
