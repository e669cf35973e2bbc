"""A folder of photographs of noise with one turned by EXIF, and what counts decodings."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from linearityiqa.data.databases.table import ImageTable
from linearityiqa.data.loading import pixelcache
from linearityiqa.data.loading.pixelcache import PixelSource
from linearityiqa.images import ImageTransform

COUNT = 20


@pytest.fixture
def photos(tmp_path: Path) -> ImageTable:
    """Twenty photographs of noise, 24 x 32; number 3 is larger, number 5 lies on its side by EXIF."""
    rng = np.random.default_rng(2)
    folder = tmp_path / "photos"
    folder.mkdir()
    names = tuple(f"photo{i:02d}.png" for i in range(COUNT))
    exif = Image.Exif()
    exif[0x0112] = 6
    for i, name in enumerate(names):
        shape = (30, 36, 3) if i == 3 else (24, 32, 3)
        image = Image.fromarray(rng.integers(0, 256, shape, dtype=np.uint8))
        image.save(folder / name, **({"exif": exif} if i == 5 else {}))
    return ImageTable(names, np.linspace(1, 100, COUNT), folder)


@pytest.fixture
def source(photos: ImageTable) -> PixelSource:
    return PixelSource(photos, ImageTransform((20, 28)))


@pytest.fixture
def decodings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the images that are decoded in this process to make caches."""
    names: list[str] = []
    original = pixelcache.decoded

    def counted(path, *args, **kwargs):
        pixels = original(path, *args, **kwargs)
        names.append(path.name)
        return pixels

    monkeypatch.setattr(pixelcache, "decoded", counted)
    return names
