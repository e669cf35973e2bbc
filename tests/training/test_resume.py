"""A stopped and continued run ends in the bits of an undisturbed one (oracle: the undisturbed run)."""

import signal
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from linearityiqa.config import DeviceConfig, TrainConfig, TransformConfig
from linearityiqa.errors import DivergedError, Interrupted, LinearityIQAError, TrainingError
from linearityiqa.files import atomic_path
from linearityiqa.training import run as training_run
from linearityiqa.training import train
from linearityiqa.training.state import RunLog, RunState, exclusive
from linearityiqa.training.step import TrainingStep
from linearityiqa.training.trainer import Trainer
from small_runs import changed, killed_at, small_run, traces

pytestmark = pytest.mark.slow


def signal_after(monkeypatch: pytest.MonkeyPatch, number: int, step: int) -> None:
    """Send this process a signal after a step of the training, counted from 1."""
    original, steps = TrainingStep.update, 0

    def counted(self) -> None:
        nonlocal steps
        original(self)
        steps += 1
        if steps == step:
            signal.raise_signal(number)

    monkeypatch.setattr(TrainingStep, "update", counted)


@pytest.fixture(scope="module")
def undisturbed(photo_database: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    folder = tmp_path_factory.mktemp("undisturbed")
    train(small_run(photo_database, folder, test_during_training=True, log_bhat=True))
    return traces(folder)


def run(photo_database: Path, folder: Path, **options) -> TrainConfig:
    return small_run(
        photo_database, folder, **{"test_during_training": True, "log_bhat": True, "save_minutes": 0, **options}
    )


@pytest.mark.parametrize(
    ("owner", "method", "call", "options"),
    [
        (TrainingStep, "accumulate", 2, {}),  # in the first epoch, after one step
        (TrainingStep, "update", 5, {}),  # in the second epoch, after a gradient
        (TrainingStep, "update", 5, {"workers": 2}),  # with workers, and resumed without
        (TrainingStep, "accumulate", 6, {"save_minutes": 5}),  # saved seldom, and resumed with saves after each step
        (Trainer, "save_if_due", 5, {}),  # between the first evaluation's batches
        (RunLog, "epoch", 1, {}),  # after an evaluation, before it is logged
        (Trainer, "save", 16, {}),
        (training_run, "save_model", 1, {}),  # in the last test
    ],
)
def test_killed_run_resumes_to_the_same_bits(
    owner, method, call, options, photo_database, tmp_path, undisturbed
) -> None:
    with killed_at(owner, method, call):
        train(run(photo_database, tmp_path, **options))
    train(run(photo_database, tmp_path))
    assert traces(tmp_path) == undisturbed


def test_signal_saves_the_state_and_says_so(photo_database, tmp_path, undisturbed, monkeypatch) -> None:
    config = small_run(photo_database, tmp_path, test_during_training=True, log_bhat=True)
    with monkeypatch.context() as patch:
        signal_after(patch, signal.SIGINT, 1)
        with pytest.raises(Interrupted, match="resumes from the state") as stop:
            train(config)
    assert stop.value.exit_status == 130
    assert (tmp_path / "last.pt").exists()
    train(config)
    assert traces(tmp_path) == undisturbed


@pytest.mark.parametrize("architecture", ["resnet50", "vgg16", "alexnet", "mobilenet_v2", "timm/resnet10t"])
def test_networks_people_use_are_stopped_and_killed_to_the_same_bits(
    architecture, photo_database, tmp_path, monkeypatch
) -> None:
    """Each has kernels and a memory layout of its own; in the default precision (resnet18: tests/e2e)."""
    if architecture.startswith("timm/"):
        pytest.importorskip("timm")
    size = TransformConfig(resize=architecture == "alexnet", resize_size_h=64, resize_size_w=96)  # others: 48 x 64
    with monkeypatch.context() as patch:
        patch.setattr(RunState, "save", lambda self, folder: None)  # nobody needs it, and it takes long
        train(small_run(photo_database, tmp_path / "undisturbed", architecture=architecture, transform=size))
    config = small_run(photo_database, tmp_path / "stopped", architecture=architecture, transform=size)
    with monkeypatch.context() as patch:
        signal_after(patch, signal.SIGTERM, 4)  # the first batch of the second epoch
        with pytest.raises(Interrupted):
            train(config)
    with killed_at(TrainingStep, "update", 2):
        train(config)
    train(config)
    assert traces(tmp_path / "stopped") == traces(tmp_path / "undisturbed")


def test_other_arithmetic_than_before_the_stop_is_named(photo_database, tmp_path, monkeypatch, caplog) -> None:
    """As on another processor, or with another number of threads, where the bits cannot be promised."""
    with monkeypatch.context() as patch:
        patch.setattr("linearityiqa.training.session.arithmetic_of", lambda *_: "bfloat16 on another machine")
        signal_after(patch, signal.SIGTERM, 1)
        with pytest.raises(Interrupted):
            train(small_run(photo_database, tmp_path))
    train(small_run(photo_database, tmp_path))
    assert "was computed in bfloat16 on another machine, from here on in " in caplog.text
    caplog.clear()
    with monkeypatch.context() as patch:
        signal_after(patch, signal.SIGTERM, 1)
        with pytest.raises(Interrupted):
            train(small_run(photo_database, tmp_path / "same"))
    train(small_run(photo_database, tmp_path / "same"))
    assert "was computed" not in caplog.text


def test_a_run_of_other_options_or_labels_is_refused_by_name(photo_database, tmp_path) -> None:
    labels = tmp_path / "labels.csv"
    labels.write_text(photo_database.read_text())
    config = small_run(labels, tmp_path / "run")
    config = replace(config, data=replace(config.data, image_dir=photo_database.parent / "images"))
    train(config)
    model = tmp_path / "run" / "model.safetensors"
    for other, difference in (
        (changed(config, epochs=3), f"its epochs is 2, not 3.*--output, .*--fresh.*--init {model}"),
        (replace(config, loss=replace(config.loss, q=1.0)), "its q is 2.0, not 1.0"),
        (replace(config, run=replace(config.run, debug=True)), "its debug is False, not True"),
    ):
        with pytest.raises(TrainingError, match=rf"holds a run of other options \({difference}"):
            train(other)
    labels.write_text(labels.read_text().replace(",train", ",val", 1))
    with pytest.raises(TrainingError, match=r"other labels or another split\. Name another folder with --output"):
        train(config)


def test_a_flipped_bit_in_the_state_is_found(photo_database, tmp_path) -> None:
    """In the middle of the file: among the weights, which any bits could be. A file that is no state at all, too."""
    with killed_at(TrainingStep, "update", 4):
        train(small_run(photo_database, tmp_path, save_minutes=0))
    content = bytearray((tmp_path / "last.pt").read_bytes())
    content[len(content) // 2] ^= 64
    (tmp_path / "last.pt").write_bytes(content)
    with pytest.raises(TrainingError, match=r"cannot read .*last\.pt: its entry .* is damaged.*--fresh"):
        train(small_run(photo_database, tmp_path))
    (tmp_path / "last.pt").write_bytes(b"PK\x03\x04 not a state")
    with pytest.raises(TrainingError, match="--fresh"):
        train(small_run(photo_database, tmp_path))


def test_what_a_killed_run_was_writing_is_removed(photo_database, tmp_path) -> None:
    """Oracle: the name that `atomic_path` gives, and the files of a run that nothing killed."""
    with suppress(KeyboardInterrupt), atomic_path(tmp_path / "run" / "last.pt") as temporary:
        raise KeyboardInterrupt
    temporary.write_bytes(b"half of it")
    for folder in ("run", "undisturbed"):
        train(changed(small_run(photo_database, tmp_path / folder), epochs=1))
    left, expected = (
        {path.name for path in (tmp_path / folder).iterdir() if "tfevents" not in path.name}
        for folder in ("run", "undisturbed")
    )
    assert left == expected


def test_fresh_starts_over_and_leaves_other_files_alone(photo_database, tmp_path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    config = small_run(photo_database, tmp_path)
    train(config)
    result = train(small_run(photo_database, tmp_path, fresh=True, debug=True))
    assert result.results["splits"]["test"]["n"] == 5
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_loss_that_is_not_finite_stops_and_keeps_the_last_good_state(photo_database, tmp_path, monkeypatch) -> None:
    original, calls = TrainingStep.loss, 0

    def poisoned(self, scores, mos):
        nonlocal calls
        calls += 1
        return original(self, scores, mos) * (float("nan") if calls == 3 else 1)

    monkeypatch.setattr(TrainingStep, "loss", poisoned)
    config = small_run(photo_database, tmp_path, save_minutes=0)
    with pytest.raises(TrainingError, match=r"epoch 1, batch 3 is nan \(images photo"):
        train(config)
    state = torch.load(tmp_path / "last.pt", weights_only=True)
    assert state["step"] == 2
    assert all(torch.isfinite(tensor).all() for tensor in state["network"].values())


def test_second_process_in_the_folder_is_refused(photo_database, tmp_path) -> None:
    with exclusive(tmp_path), pytest.raises(TrainingError, match="another process"):
        train(small_run(photo_database, tmp_path))


def unreadable(photo_database: Path, folder: Path) -> Path:
    """The labels of a database whose last training image is no image."""
    rows = photo_database.read_text().splitlines()
    folder.mkdir()
    for row in rows[1:]:
        name = row.partition(",")[0]
        (folder / name).write_bytes((photo_database.parent / "images" / name).read_bytes())
    (folder / "photo11.png").write_bytes(b"no image")
    (folder / "labels.csv").write_text("\n".join(rows))
    return folder / "labels.csv"


@pytest.mark.parametrize("fault", ["no labels", "no device", "an image in the first epoch"])
def test_a_run_that_fails_at_once_leaves_nothing(fault, photo_database, tmp_path) -> None:
    labels = photo_database
    if fault == "no labels":
        labels = tmp_path / "nowhere.csv"
    elif fault == "an image in the first epoch":
        labels = unreadable(photo_database, tmp_path / "photos")
    config = small_run(labels, tmp_path / "runs" / "one")
    if fault == "no device":
        config = replace(config, device=DeviceConfig(device="cuda:77"))
    with pytest.raises(LinearityIQAError):
        train(config)
    assert not (tmp_path / "runs").exists()


def test_a_run_that_fails_leaves_what_was_there_before_it(photo_database, tmp_path) -> None:
    (tmp_path / "config.toml").write_text("mine")
    with pytest.raises(LinearityIQAError):
        train(small_run(tmp_path / "nowhere.csv", tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["config.toml"]
    train(small_run(photo_database, tmp_path))
    kept = sorted(path.name for path in tmp_path.iterdir())
    with pytest.raises(LinearityIQAError):  # before it is known that the new run can start
        train(small_run(tmp_path / "nowhere.csv", tmp_path, fresh=True))
    assert sorted(path.name for path in tmp_path.iterdir()) == kept


def test_a_run_that_diverges_at_once_says_so(photo_database, tmp_path) -> None:
    with pytest.raises(DivergedError):
        train(changed(small_run(photo_database, tmp_path / "run"), learning_rate=1e30, opt_level="O0"))
    assert (tmp_path / "run" / "diverged.json").exists()
