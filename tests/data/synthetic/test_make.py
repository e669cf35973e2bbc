"""Oracle: a second making, byte by byte; the general CSV reader; and what a kill leaves behind."""

import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from linearityiqa.config import DataConfig, SyntheticConfig
from linearityiqa.data.databases.opening import open_database
from linearityiqa.data.synthetic import make
from linearityiqa.data.synthetic.make import CLEAN, STEP_SHARES, draw_steps, make_database, make_sample, write_showcase
from linearityiqa.data.synthetic.references import list_references, load_reference, turns
from linearityiqa.errors import DataError

SMALL = {"images": 24, "height": 96, "width": 96, "dead_leaves": 5, "num_workers": 0}


def small(output: Path, **changes: object) -> SyntheticConfig:
    return SyntheticConfig(output=output, **{**SMALL, **changes})


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    return make_database(small(tmp_path_factory.mktemp("synthetic") / "made" / "here"))


def test_the_same_bytes_for_any_number_of_processes(database, tmp_path):
    again = make_database(small(tmp_path / "again", num_workers=2))
    assert content(database.parent) == content(again.parent)


def test_another_seed_gives_other_images_here_in_an_empty_folder(database, tmp_path):
    other = content(make_database(small(tmp_path, images=10, seed=1)).parent)
    ours = content(database.parent)
    assert not [name for name in other if name.startswith("images/") and other[name] == ours[name]]


def test_an_image_depends_on_the_seed_and_its_number_only(database):
    """Made alone, as a part of a larger database, it is the same."""
    config = small(Path("unused"), images=1000)
    number = 17
    reference = list_references(5)[turns(5, config.seed)[number]]
    sample = make_sample(load_reference(reference, config), number, config)
    stored = np.asarray(Image.open(database.parent / "images" / f"{number:05d}.png"))
    np.testing.assert_array_equal(sample.pixels, stored)
    cells = database.read_text().splitlines()[1 + number].split(",")
    assert cells[1:5] == [f"{sample.label.mos:.4f}", f"{sample.label.mos_std:.4f}", reference.split, reference.name]


def test_the_reader_of_any_users_database_reads_it(database):
    read = open_database(DataConfig(dataset=str(database)), seed=0)
    table = read.table
    assert len(table) == 24
    assert table.mos.min() >= 1
    assert table.mos.max() <= 100
    assert table.mos_std.min() >= 1
    assert all(table.path(i).is_file() for i in range(24))
    assert Image.open(table.path(0)).size == (96, 96)
    sides = {name: {table.references[i] for i in rows} for name, rows in read.splits.items()}
    assert all(len(read.split(name)) >= 2 for name in sides)
    assert sum(map(len, sides.values())) == len(set.union(*sides.values())) == 10


def test_severities_are_in_the_labels(database):
    lines = [line.split(",") for line in database.read_text().splitlines()]
    assert lines[0] == list(make.COLUMNS)
    for cells in lines[1:]:
        assert [bool(cells[5]), bool(cells[7])] == [bool(cells[6]), bool(cells[8])]
        assert all(0 <= float(cells[k]) <= 1 for k in (6, 8) if cells[k])
        assert cells[5] or float(cells[1]) == 100


def test_the_folder_says_plainly_what_the_labels_are(database):
    text = (database.parent / "README.txt").read_text()
    assert "PSEUDO-LABELS" in text
    assert "No human being" in text
    manifest = json.loads((database.parent / "database.json").read_text())
    assert manifest["recipe"]["seed"] == SyntheticConfig().seed
    assert manifest["made with"]["Pillow"]


def test_shares_of_distortions():
    counts = np.bincount([len(draw_steps(np.random.default_rng([9, k]))) for k in range(3000)])
    np.testing.assert_allclose(counts / 3000, STEP_SHARES, atol=0.03)


def test_a_finished_database_is_found_and_kept(database, monkeypatch):
    monkeypatch.setattr(make, "staging_dir", lambda _: pytest.fail("made again"))
    before = content(database.parent)
    assert make_database(small(database.parent, num_workers=3, quiet=True)) == database
    assert content(database.parent) == before
    assert [path.name for path in database.parent.parent.iterdir()] == ["here"]


def test_another_recipe_in_the_same_folder_is_refused(database):
    before = content(database.parent)
    with pytest.raises(DataError, match=r"seed 19920517 instead of 7.*Choose another --output"):
        make_database(small(database.parent, seed=7))
    assert content(database.parent) == before


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: (f / "database.json").unlink(), "no synthetic database"),
        (lambda f: (f / "database.json").write_text("[1]"), "no synthetic database"),
        (lambda f: (f / "database.json").write_text("{"), "no synthetic database"),
        (lambda f: (f / "images" / "00003.png").unlink(), "23 images instead of 24"),
        (lambda f: (f / "labels.csv").write_text("image_name,mos\n"), "was changed"),
        (lambda f: (f / "labels.csv").unlink(), "missing"),
    ],
)
def test_a_folder_that_is_no_whole_database_is_refused(database, tmp_path, damage, message):
    folder = shutil.copytree(database.parent, tmp_path / "d")
    damage(folder)
    before = content(folder)
    with pytest.raises(DataError, match=message):
        make_database(small(folder))
    assert content(folder) == before


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / "d").write_text("mine")
    with pytest.raises(DataError, match="no synthetic database"):
        make_database(small(tmp_path / "d"))


def test_a_failure_half_way_leaves_nothing(tmp_path, monkeypatch):
    def fail_at_nine(pristine, number, config):
        if number == 2:
            raise OSError("disk full")
        return make_sample(pristine, number, config)

    monkeypatch.setattr(make, "make_sample", fail_at_nine)
    with pytest.raises(OSError, match="disk full"):
        make_database(small(tmp_path / "d"))
    assert not list(tmp_path.iterdir())


SCRIPT = """
import sys
from pathlib import Path
from linearityiqa.config import SyntheticConfig
from linearityiqa.data.synthetic import make_database

if __name__ == "__main__":
    if "torch" not in sys.modules:  # the database is made without it
        make_database(SyntheticConfig(output=Path(sys.argv[1]), images=400, height=96, width=96, num_workers=1))
"""


def test_a_kill_half_way_leaves_no_database_and_no_process(tmp_path):
    script, folder = tmp_path / "script.py", tmp_path / "out" / "d"
    script.write_text(SCRIPT)
    place = folder.with_name(".d.partial")
    with subprocess.Popen([sys.executable, script, folder], start_new_session=True) as process:
        _wait_for(lambda: place.exists() and any(place.glob("images/0*.png")))
        process.kill()
    _wait_for(lambda: not _group_lives(process.pid))
    assert not folder.exists()
    made = make_database(small(folder, images=10))  # what is left of the killed one is in nobody's way
    assert len(list((folder / "images").iterdir())) == 10
    assert [path.name for path in made.parent.parent.iterdir()] == ["d"]


def test_a_killed_worker_gives_one_sentence(tmp_path):
    def kill_worker():
        _wait_for(lambda: [c for c in multiprocessing.active_children() if (tmp_path / ".d.partial").exists()])
        for child in multiprocessing.active_children():
            os.kill(child.pid, signal.SIGKILL)

    killer = threading.Thread(target=kill_worker)
    killer.start()
    with pytest.raises(DataError, match=r"was killed.*--num_workers"):
        make_database(small(tmp_path / "d", images=400, num_workers=1))
    killer.join()
    assert not list(tmp_path.iterdir())


def test_showcase_is_one_photograph_and_degraded_copies(tmp_path):
    shown = write_showcase(tmp_path / "a", small(tmp_path))
    clean, *degraded = (np.asarray(Image.open(path)).astype(float) for path in shown.values())
    assert next(iter(shown)) == CLEAN
    assert len(degraded) == 5
    assert clean.shape[0] == SMALL["height"]
    for copy in degraded:
        assert copy.shape == clean.shape
        assert np.corrcoef(clean.ravel(), copy.ravel())[0, 1] > 0.7
        assert np.abs(clean - copy).mean() > 3
    write_showcase(tmp_path / "b", small(tmp_path))
    assert content(tmp_path / "a") == content(tmp_path / "b")


def _wait_for(condition, seconds=60.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def _group_lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True
