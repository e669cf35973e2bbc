"""Oracles: images.py, and what each sample is made of."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from images.test_conversion import P3, profile_of
from linearityiqa.config import AugmentationConfig
from linearityiqa.data.databases.table import ImageTable
from linearityiqa.data.loading.augmentation import Augmentation
from linearityiqa.data.loading.dataset import (
    ImageDataset,
    MixedDataset,
    SampleKey,
    generator_for,
    require_equal_sizes,
)
from linearityiqa.data.loading.loader import BatchLoader
from linearityiqa.data.loading.pixelcache import Decoding, PixelSource, open_cache
from linearityiqa.data.loading.samplers import TrainingBatches
from linearityiqa.data.synthetic.distortions import degraded
from linearityiqa.errors import DataError, UnreadableImageError
from linearityiqa.images import ImageTransform, decode

CROP = AugmentationConfig(augmentation=True, crop_size_h=24, crop_size_w=20)


def test_a_sample_is_the_transformed_image_its_score_and_its_row(table):
    transform = ImageTransform((16, 24))
    image, mos, index = ImageDataset(table, transform)[SampleKey(0, 3)]
    assert np.array_equal(image.numpy(), np.asarray(transform.pixels(decode(table.path(3)).image)))
    assert image.dtype == torch.uint8
    assert (mos, index) == (table.mos[3], 3)


def test_augmentation_depends_on_seed_epoch_and_row_only(augmented, table):
    again = ImageDataset(table, ImageTransform((28, 30)), augmentation=Augmentation(CROP), seed=4)
    image = augmented[SampleKey(2, 5)][0]
    assert image.shape == (24, 20, 3)
    augmented[SampleKey(0, 1)]
    assert torch.equal(image, again[SampleKey(2, 5)][0])
    assert not torch.equal(image, augmented[SampleKey(3, 5)][0])


def test_random_streams_differ_between_seeds_epochs_and_rows():
    keys = [(seed, epoch, index) for seed in range(4) for epoch in range(4) for index in range(40)]
    draws = {float(torch.rand((), generator=generator_for(*key), dtype=torch.float64)) for key in keys}
    assert len(draws) == len(keys)


def test_neighbouring_streams_are_uniform_together():
    """First draws of 2,000 neighbouring rows against U(0, 1): mean 1/2, variance 1/12, within five standard errors."""
    draws = np.array([float(torch.rand((), generator=generator_for(0, 0, index))) for index in range(2000)])
    assert abs(draws.mean() - 1 / 2) < 5 * np.sqrt(1 / 12 / 2000)
    assert abs(draws.var() - 1 / 12) < 5 * np.sqrt(1 / 180 / 2000)
    assert abs(np.corrcoef(draws[:-1], draws[1:])[0, 1]) < 5 / np.sqrt(2000)


def test_exif_orientation_is_off_unless_asked_for(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (48, 32)).save(tmp_path / "turned.jpg", exif=exif)
    table = ImageTable(("turned.jpg",), np.array([1.0]), tmp_path)
    for rotate, size in ((False, (32, 48)), (True, (48, 32))):
        dataset = ImageDataset(table, ImageTransform(), decoding=Decoding(exif_rotation=rotate))
        assert dataset[SampleKey(0, 0)][0].shape[:2] == size
        assert dataset.sizes() == [size]


def test_an_image_smaller_than_the_crop_is_named(table):
    dataset = ImageDataset(table, ImageTransform((20, 20)), augmentation=Augmentation(CROP))
    with pytest.raises(DataError, match=r"photo07\.png: .*smaller than the crop"):
        dataset[SampleKey(0, 7)]


@pytest.mark.parametrize("transform", [ImageTransform((24, 20)), ImageTransform()])
def test_the_check_finds_by_headers_what_would_end_an_epoch(table, transform):
    """Oracle: the samples."""
    dataset = ImageDataset(table, transform, augmentation=Augmentation(CROP))
    dataset.check()
    if transform.size is None:
        Image.new("RGB", (60, 19)).save(table.path(7))
        with pytest.raises(DataError) as found:
            dataset.check()
        with pytest.raises(DataError) as expected:
            dataset[SampleKey(0, 7)]
        assert str(found.value) == str(expected.value)
    enlarging = replace(CROP, scale_min=0.9)
    ImageDataset(table, transform, augmentation=Augmentation(enlarging)).check()
    table.path(2).write_bytes(table.path(2).read_bytes()[:20])
    with pytest.raises(UnreadableImageError, match=r"photo02\.png"):
        dataset.check()


@pytest.mark.parametrize("transform", [ImageTransform(), ImageTransform((9, 12)), ImageTransform(common_size=(7, 8))])
def test_sizes_are_those_of_the_samples(table, transform):
    Image.new("RGB", (50, 60)).save(table.path(4))
    dataset = ImageDataset(table, transform)
    assert dataset.sizes() == [tuple(dataset[SampleKey(0, i)][0].shape[:2]) for i in range(len(table))]


def test_augmented_sizes_are_the_crops(augmented):
    assert augmented.sizes() == [(24, 20)] * len(augmented)


def test_equal_sizes_are_required_by_name(table):
    require_equal_sizes(ImageDataset(table, ImageTransform()))
    Image.new("RGB", (50, 60)).save(table.path(4))
    with pytest.raises(DataError, match=r"photo00\.png has 32 x 40 and photo04\.png 60 x 50 .*--resize"):
        require_equal_sizes(ImageDataset(table, ImageTransform()))
    require_equal_sizes(ImageDataset(table, ImageTransform((9, 9))))


def test_colour_profiles_are_applied_only_on_request(tmp_path):
    """Oracle: `decode`, which has tests of its own."""
    pixels = np.random.default_rng(0).integers(0, 256, (20, 20, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "wide.png", icc_profile=profile_of(P3))
    table = ImageTable(("wide.png",), np.array([1.0]), tmp_path)
    plain = ImageDataset(table, ImageTransform())[SampleKey(0, 0)][0].numpy()
    converted = ImageDataset(table, ImageTransform(), decoding=Decoding(colour_profile=True))[SampleKey(0, 0)][0]
    assert np.array_equal(plain, pixels)
    assert not np.array_equal(converted.numpy(), pixels)
    assert np.array_equal(converted.numpy(), np.asarray(decode(tmp_path / "wide.png", colour_profile=True).image))


# Several databases. Oracle: the samples of the data sets that a mixture is made of.


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


def test_versions_are_of_the_augmented_image_and_do_not_depend_on_what_was_read_before(augmented, table):
    again = ImageDataset(table, ImageTransform((28, 30)), augmentation=Augmentation(CROP), seed=4)
    clean, mild, severe = (augmented[SampleKey(2, 5, level)][0].numpy() for level in (0, 1, 2))
    assert np.array_equal(severe, again[SampleKey(2, 5, 2)][0])
    assert np.array_equal(mild, degraded(clean, 1, np.random.default_rng([4, 2, 5])))
    assert not np.array_equal(mild, severe)
