"""Oracle: the samples of the data sets that a mixture is made of."""

import numpy as np
import pytest
import torch
from PIL import Image

from linearityiqa.config import AugmentationConfig
from linearityiqa.data.databases.table import ImageTable
from linearityiqa.data.loading.augmentation import Augmentation
from linearityiqa.data.loading.dataset import ImageDataset
from linearityiqa.data.loading.loader import BatchLoader
from linearityiqa.data.loading.mixture import MixedDataset
from linearityiqa.data.loading.pixelcache import open_cache
from linearityiqa.data.loading.pixels import PixelSource
from linearityiqa.data.loading.samplers import SampleKey, TrainingBatches
from linearityiqa.errors import DataError, UnreadableImageError
from linearityiqa.images import ImageTransform


@pytest.fixture
def parts(table, tmp_path):
    """Eleven photographs of 32 x 40 on 1..100, and five of 20 x 24 on 0..1."""
    folder = tmp_path / "second"
    folder.mkdir()
    rng = np.random.default_rng(4)
    names = tuple(f"photo{i:02d}.png" for i in range(5))
    for name in names:
        Image.fromarray(rng.integers(0, 256, (20, 24, 3), dtype=np.uint8)).save(folder / name)
    second = ImageTable(names, np.linspace(0, 1, 5), folder)
    return [ImageDataset(each, ImageTransform()) for each in (table, second)]


def test_images_are_numbered_through(parts):
    mixed = MixedDataset(("A", "B"), parts)
    assert len(mixed) == 16
    assert mixed.lengths == (11, 5)
    for index in range(16):
        part, own = (parts[0], index) if index < 11 else (parts[1], index - 11)
        pixels, mos, row = part[SampleKey(3, own)]
        found = mixed[SampleKey(3, index)]
        assert torch.equal(found[0], pixels)
        assert (found[1], found[2]) == (mos, index)
        assert row == own
    assert mixed.names[10:12] == ("A:photo10.png", "B:photo00.png")


@pytest.mark.parametrize("workers", [0, 2])
def test_databases_of_different_sizes_load_since_no_batch_mixes_them(parts, workers):
    mixed = MixedDataset(("A", "B"), parts)
    batches = TrainingBatches(mixed.lengths, 4, seed=1)
    sizes = [tuple(batch.images.shape[1:3]) for batch in BatchLoader(mixed, batches, workers, persistent=False)]
    assert sorted(sizes) == [(20, 24)] + 3 * [(32, 40)]


def test_a_failure_names_database_and_image(parts):
    Image.new("RGB", (50, 60)).save(parts[1].table.path(4))
    mixed = MixedDataset(("A", "B"), parts)
    with pytest.raises(DataError, match=r"B:photo0\d\.png has .* and B:photo0\d\.png"):
        list(BatchLoader(mixed, TrainingBatches(mixed.lengths, 5, seed=1), 0))
    parts[1].table.path(4).write_bytes(b"")
    with pytest.raises(UnreadableImageError, match=r"second.*photo04\.png"):
        mixed[SampleKey(0, 15)]


def test_it_only_reads_where_all_do(parts, tmp_path):
    caches = [open_cache(PixelSource(part.table, part.transform), tmp_path / "c", workers=0) for part in parts]
    cached = [ImageDataset(part.table, part.transform, cached=cache) for part, cache in zip(parts, caches, strict=True)]
    assert MixedDataset(("A", "B"), cached).only_reads
    half = MixedDataset(("A", "B"), [cached[0], parts[1]])
    assert not half.only_reads
    assert not half.is_cached
    augmentation = Augmentation(AugmentationConfig(augmentation=True, crop_size_h=8, crop_size_w=8))
    changed = ImageDataset(parts[0].table, ImageTransform(), augmentation=augmentation, cached=cached[0].cached)
    assert MixedDataset(("A",), [changed]).is_cached
    assert not MixedDataset(("A",), [changed]).only_reads
