"""Photographs of noise, and the augmented dataset of them, for the tests of dataset and loader."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from linearityiqa.config import AugmentationConfig
from linearityiqa.data.databases.table import ImageTable
from linearityiqa.data.loading.augmentation import Augmentation
from linearityiqa.data.loading.dataset import ImageDataset
from linearityiqa.images import ImageTransform

CROP = AugmentationConfig(augmentation=True, crop_size_h=24, crop_size_w=20)


@pytest.fixture
def table(tmp_path: Path) -> ImageTable:
    """Eleven photographs of noise, 32 x 40."""
    rng = np.random.default_rng(2)
    names = tuple(f"photo{i:02d}.png" for i in range(11))
    for name in names:
        Image.fromarray(rng.integers(0, 256, (32, 40, 3), dtype=np.uint8)).save(tmp_path / name)
    return ImageTable(names, np.linspace(1, 100, len(names)), tmp_path)


@pytest.fixture
def augmented(table: ImageTable) -> ImageDataset:
    return ImageDataset(table, ImageTransform((28, 30)), augmentation=Augmentation(CROP), seed=4)
