"""Graded versions of one's own photographs. Oracles: the order of severity, and the same bytes for any workers."""

import csv
import hashlib
from itertools import groupby
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("skimage", reason="the extra demo is not installed")

from linearityiqa.cli.main import main
from linearityiqa.config import GradedConfig, SyntheticConfig
from linearityiqa.data.synthetic import make_graded_database
from linearityiqa.errors import ConfigError, DataError


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four pictures (one twice, in a folder of its own), one too small, one of a single colour, one broken."""
    folder = tmp_path_factory.mktemp("photographs")
    (folder / "inner").mkdir()
    for number in range(4):
        rng = np.random.default_rng(number)
        coarse = Image.fromarray(rng.integers(0, 256, (12, 16, 3), dtype=np.uint8)).resize((160, 120), 3)
        pixels = np.asarray(coarse) + 12 * rng.standard_normal((120, 160, 3))
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / f"{number}.png")
    (folder / "inner" / "again.png").write_bytes((folder / "0.png").read_bytes())
    Image.open(folder / "1.png").resize((40, 30)).save(folder / "small.png")
    Image.new("RGB", (160, 120), "grey").save(folder / "grey.png")
    (folder / "broken.jpg").write_bytes(b"no image")
    (folder / "notes.txt").write_text("no image either")
    return folder


def graded(photographs: Path, output: Path, *, workers: int = 0, **options) -> SyntheticConfig:
    return SyntheticConfig(
        output=output, height=96, width=112, num_workers=workers, graded=GradedConfig(references=photographs, **options)
    )


def rows_of(labels: Path) -> list[dict[str, str]]:
    with labels.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


@pytest.fixture(scope="module")
def database(photographs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_graded_database(graded(photographs, tmp_path_factory.mktemp("graded") / "db", levels=4))


def test_labels_fall_with_the_level(database: Path) -> None:
    rows = rows_of(database)
    assert len(rows) == 5 * (1 + 7 * 4)
    of_distortion = [row for row in rows if row["distortion"]]
    for _, ladder in groupby(of_distortion, key=lambda row: (row["photograph"], row["distortion"])):
        steps = list(ladder)
        assert [int(row["level"]) for row in steps] == [1, 2, 3, 4]
        assert np.all(np.diff([float(row["severity"]) for row in steps]) > 0)
        assert np.all(np.diff([float(row["mos"]) for row in steps]) <= 0)
        assert float(steps[-1]["mos"]) < float(steps[0]["mos"]) - 5
    assert {float(row["mos"]) for row in rows if not row["distortion"]} == {100.0}


def test_levels_differ_in_their_pixels(database: Path) -> None:
    digests = {hashlib.sha256(path.read_bytes()).hexdigest() for path in (database.parent / "images").iterdir()}
    versions = {(row["photograph"], row["distortion"], row["level"]) for row in rows_of(database)}
    assert len(digests) == len(versions) - 29  # the copy of a photograph gives the same bytes


def test_photographs_of_one_scene_stay_together(database: Path) -> None:
    rows = rows_of(database)
    assert {row["reference"] for row in rows if row["photograph"] in ("0.png", "inner/again.png")} == {"0.png"}
    splits = {row["reference"]: {one["split"] for one in rows if one["reference"] == row["reference"]} for row in rows}
    assert all(len(parts) == 1 for parts in splits.values())


def test_bytes_do_not_depend_on_the_workers(photographs: Path, tmp_path: Path) -> None:
    options = {"levels": 2, "distortions": ("jpeg", "gaussian_noise"), "jpeg": True}
    folders = [
        make_graded_database(graded(photographs, tmp_path / f"{workers}", workers=workers, **options)).parent
        for workers in (0, 2)
    ]
    first, second = ({path.name: path.read_bytes() for path in folder.rglob("*.*")} for folder in folders)
    assert first == second
    assert sum(name.endswith(".jpg") for name in first) == 5 * 5


def test_a_second_call_makes_nothing(photographs: Path, tmp_path: Path) -> None:
    config = graded(photographs, tmp_path / "db", levels=1, distortions=("jpeg",))
    labels = make_graded_database(config)
    before = labels.stat().st_mtime_ns
    assert make_graded_database(config) == labels
    assert labels.stat().st_mtime_ns == before
    with pytest.raises(DataError):
        make_graded_database(graded(photographs, tmp_path / "db", levels=2, distortions=("jpeg",)))


def test_what_cannot_be_used_is_named(photographs: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    make_graded_database(graded(photographs, tmp_path / "db", levels=1, distortions=("jpeg",)))
    for words in ("cannot be read: broken.jpg", "smaller than 112 x 96 pixels: small.png", "single colour: grey.png"):
        assert words in caplog.text


def test_the_command(photographs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["datasets", "make", "--references", str(photographs), "--output", str(tmp_path / "db"), "--quiet"]
    words += ["--height", "96", "--width", "112", "--levels", "1", "--distortions", "jpeg", "--num_workers", "0"]
    assert main(words) == 0
    said = capsys.readouterr().out
    assert "10 images" in said
    assert "5 photographs of 4 scenes" in said
    assert "nobody has rated these images" in said


def test_faults(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is no folder"):
        make_graded_database(graded(tmp_path / "none", tmp_path / "db"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="there is no image in"):
        make_graded_database(graded(tmp_path / "empty", tmp_path / "db"))
    with pytest.raises(ConfigError, match="levels must lie in"):
        GradedConfig(levels=0)
    with pytest.raises(ConfigError, match="different"):
        GradedConfig(distortions=("jpeg", "jpeg"))
