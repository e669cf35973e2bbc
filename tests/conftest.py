"""Fixtures that several folders share; real data is found through LINEARITYIQA_DATA and skipped without it."""

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from PIL import Image

# no test depends on how fast the machine is
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what drives the program from outside; `make test-fast` leaves it out, as it does tests marked `slow`."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent / "e2e"):
            item.add_marker(pytest.mark.e2e)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real photographs and published results beside the project."""
    folder = os.environ.get("LINEARITYIQA_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("LINEARITYIQA_DATA names no folder: real photographs and published results are not here")
    return Path(folder)


@pytest.fixture(scope="session")
def golden() -> Path:
    """Reference values that travel with the tests."""
    return Path(__file__).parent / "golden"


@pytest.fixture(scope="session")
def photo_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CSV database of 24 small generated photographs whose MOS falls with their noise: 12 train, 6 val, 6 test."""
    folder = tmp_path_factory.mktemp("photos")
    (folder / "images").mkdir()
    rng = np.random.default_rng(7)
    rows = ["image_name,mos,mos_std,split"]
    for i in range(24):
        noise = (i * 7 % 24) / 24
        base = np.linspace(0, 200, 64)[None, :, None] + rng.uniform(0, 40, (1, 1, 3))
        pixels = np.clip(base + noise * 80 * rng.standard_normal((48, 64, 3)), 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / "images" / f"photo{i:02d}.png")
        split = "train" if i < 12 else "val" if i < 18 else "test"
        rows.append(f"photo{i:02d}.png,{100 - 90 * noise:.4f},{5 + noise:.3f},{split}")
    (folder / "labels.csv").write_text("\n".join(rows) + "\n")
    return folder / "labels.csv"
