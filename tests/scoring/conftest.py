"""Images, and a network that needs no torch."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pixel_runtime import PixelRuntime


@pytest.fixture
def runtime() -> PixelRuntime:
    return PixelRuntime()


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    """Twelve images of three sizes, in mixed order."""
    rng = np.random.default_rng(3)
    paths = []
    for i in range(12):
        height, width = [(20, 30), (24, 24), (40, 16)][i * i % 3]
        pixels = rng.integers(0, 20 * (i + 1), (height, width, 3), dtype=np.uint8)
        paths.append(tmp_path / f"photo{i:02d}.png")
        Image.fromarray(pixels).save(paths[-1])
    return paths
