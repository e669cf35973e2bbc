"""The command, short: figures and tables of a tiny backbone; killed and started again (oracle: the undisturbed run)."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from linearityiqa.cli import main
from linearityiqa.config import ReproduceConfig, command_words
from linearityiqa.reproduce.reproduction import reproduce
from linearityiqa.training.step import TrainingStep
from linearityiqa.training.trainer import Trainer
from small_reproduction import numbers, one_thread, small_reproduction

PATIENCE = 240.0


class Killed(BaseException):
    """Stands for a SIGKILL: nothing of the program gets to run after it."""


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


@pytest.mark.parametrize(
    ("owner", "method", "call"),
    [
        (TrainingStep, "update", 3),  # inside the first run
        (Trainer, "_end_phase", 6),  # inside the second one, between training and testing
    ],
)
def test_killed_and_started_again_ends_in_the_same_numbers(
    owner, method, call, photo_database, tmp_path, undisturbed, monkeypatch
) -> None:
    config = small_reproduction(photo_database, tmp_path, "fig4")
    original, calls = getattr(owner, method), 0

    def counted(self, *args):
        nonlocal calls
        calls += 1
        if calls == call:
            raise Killed
        return original(self, *args)

    with monkeypatch.context() as patch:
        patch.setattr(owner, method, counted)
        with pytest.raises(Killed):
            reproduce(config)
    assert not numbers(tmp_path / "reproduced")
    reproduce(config)
    assert numbers(tmp_path / "reproduced") == {"fig4.json": numbers(undisturbed.output)["fig4.json"]}


def test_processes_stopped_then_killed_then_finished(photo_database, tmp_path, undisturbed) -> None:
    one = small_reproduction(photo_database, tmp_path, "figA2", jobs=2)

    def run_until(saved: int) -> subprocess.Popen[str]:
        """Start the command, and wait until states have been saved so many times."""
        words = [sys.executable, "-m", "linearityiqa", "reproduce", *command_words(one)]
        process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        seen: set[int] = {path.stat().st_mtime_ns for path in one.log_dir.glob("*/last.pt")}
        enough, deadline = len(seen) + saved, time.monotonic() + PATIENCE
        while len(seen) < enough and process.poll() is None and time.monotonic() < deadline:
            seen |= {path.stat().st_mtime_ns for path in one.log_dir.glob("*/last.pt")}
            time.sleep(0.002)
        return process

    asked = run_until(saved=1)
    asked.send_signal(signal.SIGTERM)
    output, _ = asked.communicate(timeout=PATIENCE)
    assert asked.returncode == 128 + signal.SIGTERM, output
    assert "the same command goes on" in output
    killed = run_until(saved=1)
    killed.kill()
    killed.communicate()
    both = replace(one, items=("fig4", "figA2"))
    reproduce(both)
    expected = numbers(undisturbed.output)
    assert numbers(both.output) == {name: expected[name] for name in ("fig4.json", "figA2.json")}


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
