"""The paper's three commands as they stand, on small copies of KonIQ-10k and CLIVE in their official layouts."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from formula import formula_network
from layouts import make_authors_layout, make_clive, make_koniq, make_photo
from linearityiqa.evaluation import read_authors_npy
from linearityiqa.models.authors import to_authors
from small_runs import SMALL_BACKBONE

REPOSITORY = Path(__file__).parents[2]
SMALL = [
    "--resize",
    "-rs_h",
    "48",
    "-rs_w",
    "64",
    "-arch",
    SMALL_BACKBONE,
    "--p",
    "1",
    "--q",
    "2",
    "-bs",
    "4",
    "-e",
    "1",
]
ONE_PROCESS = ["--num_workers", "0"]
NINE_LINES = [f"{metric}{head}" for head in ("", "1", "2") for metric in ("SROCC", "PLCC", "RMSE")]


def script(name: str, *words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(REPOSITORY / name), *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)


def assert_nine_lines(output: str, database: str) -> None:
    assert re.findall(rf"^{database}, (\w+): -?\d+\.\d{{3}}$", output, re.MULTILINE) == NINE_LINES


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working folder with both databases and a model trained by main.py on KonIQ-10k."""
    folder = tmp_path_factory.mktemp("paper")
    make_koniq(folder, 24)
    made = make_clive(folder / "release", 20)
    (folder / "CLIVE").symlink_to(made if made.name == "Images" else folder / "release" / "Images")
    done = script("main.py", *SMALL, "--weights", "none", folder=folder)
    assert done.returncode == 0, done.stderr
    assert_nine_lines(done.stdout, "KonIQ-10k")
    return folder


def test_main_writes_the_run_folder_and_the_authors_npy(workplace: Path) -> None:
    (run,) = (workplace / "runs").iterdir()
    names = {path.name for path in run.iterdir()}
    assert names >= {"config.toml", "metrics.csv", "timing.csv", "last.pt", "model.safetensors", "results.json"}
    assert names >= {"predictions.csv"}
    assert any(name.startswith("events.out.tfevents") for name in names)
    saved = read_authors_npy(workplace / "results" / f"{run.name}.npy")
    assert len(saved.predictions) > 1


def test_test_dataset_finds_the_run_by_the_same_options_and_tests_all_of_clive(workplace: Path) -> None:
    done = script("test_dataset.py", "--dataset", "CLIVE", *SMALL, "--weights", "none", *ONE_PROCESS, folder=workplace)
    assert done.returncode == 0, done.stderr
    assert_nine_lines(done.stdout, "CLIVE")
    (saved,) = (workplace / "results").glob("CLIVE-*.npy")
    assert len(read_authors_npy(saved).predictions) == 20


def test_test_dataset_without_such_a_run_says_where_it_looked(workplace: Path) -> None:
    done = script("test_dataset.py", "--dataset", "CLIVE", *SMALL, "--alpha", "1", "0.1", folder=workplace)
    assert done.returncode == 1
    assert "no model at runs" in done.stderr
    assert "Traceback" not in done.stderr


def test_evaluate_tests_the_trained_model_again(workplace: Path) -> None:
    done = script("main.py", *SMALL, "--weights", "none", "--evaluate", *ONE_PROCESS, folder=workplace)
    assert done.returncode == 0, done.stderr
    assert_nine_lines(done.stdout, "KonIQ-10k")


def test_test_demo_scores_with_an_authors_checkpoint(tmp_path: Path) -> None:
    network = formula_network(architecture="alexnet")
    checkpoint = {"model": to_authors(network.state_dict(), network), "k": [2.0, 1.0, 1.0], "b": [3.0, 0.0, 0.0]}
    (tmp_path / "checkpoints").mkdir()
    torch.save(checkpoint, tmp_path / "checkpoints" / "p1q2.pth")
    make_photo(tmp_path / "photo.png", 0.2, 1, (96, 128))
    words = ["--img_path", "photo.png", "--resize", "-arch", "alexnet"]
    done = script("test_demo.py", *words, "--trained_model_file", "checkpoints/p1q2.pth", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    (score,) = re.findall(r"^The image quality score is (-?\d+\.\d{4,})$", done.stdout, re.MULTILINE)
    assert len(score.replace("-", "").replace(".", "")) >= 6


def test_training_on_the_authors_info_mat(tmp_path: Path) -> None:
    make_authors_layout(tmp_path, "CLIVE", 24)
    done = script("main.py", "--dataset", "CLIVE", *SMALL, "--weights", "none", *ONE_PROCESS, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert_nine_lines(done.stdout, "CLIVE")
