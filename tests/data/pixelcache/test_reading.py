"""Oracle: the images as they are decoded without a cache."""

import logging
import pickle

import numpy as np
import pytest

from linearityiqa.data.dataset import ImageDataset
from linearityiqa.data.pixelcache import Decoding, PixelSource, open_cache
from linearityiqa.data.pixelcache.layout import first_pixel
from linearityiqa.data.samplers import SampleKey
from linearityiqa.images import ImageTransform

TRANSFORMS = [ImageTransform(), ImageTransform((20, 28)), ImageTransform((20, 28), common_size=(7, 8))]


def pixels_of(dataset: ImageDataset) -> list[np.ndarray]:
    return [dataset[SampleKey(0, i)][0].numpy() for i in range(len(dataset))]


def equal(first: list[np.ndarray], second: list[np.ndarray]) -> bool:
    return len(first) == len(second) and all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


@pytest.fixture
def cache(source, tmp_path):
    return open_cache(source, tmp_path / "cache", workers=0)


def through(cache, rows=None) -> ImageDataset:
    source = cache.source
    table = source.table if rows is None else source.table.subset(rows)
    return ImageDataset(table, source.transform, decoding=source.decoding, cached=cache.of(table))


def plain(cache, rows=None) -> ImageDataset:
    source = cache.source
    table = source.table if rows is None else source.table.subset(rows)
    return ImageDataset(table, source.transform, decoding=source.decoding)


@pytest.mark.parametrize("transform", TRANSFORMS)
@pytest.mark.parametrize("exif_rotation", [False, True])
def test_cached_images_and_sizes_are_the_decoded_ones(photos, tmp_path, transform, exif_rotation):
    cache = open_cache(
        PixelSource(photos, transform, decoding=Decoding(exif_rotation=exif_rotation)), tmp_path / "cache", workers=0
    )
    assert equal(pixels_of(through(cache)), pixels_of(plain(cache)))
    assert through(cache).sizes() == plain(cache).sizes()


def test_a_split_finds_its_own_images(cache):
    rows = [7, 3, 19]
    assert equal(pixels_of(through(cache, rows)), pixels_of(plain(cache, rows)))


def test_images_are_read_and_not_decoded(cache, monkeypatch):
    monkeypatch.setattr("linearityiqa.data.dataset.decoded", lambda *a, **k: pytest.fail("decoded"))
    assert through(cache).only_reads
    pixels_of(through(cache))


def damage(cache, row: int) -> None:
    with cache.path.open("r+b") as stream:
        stream.seek(int(cache.index["offset"][row]) + 5)
        byte = stream.read(1)
        stream.seek(-1, 1)
        stream.write(bytes([byte[0] ^ 1]))


def test_a_damaged_image_is_decoded_and_mended(cache, caplog):
    expected = pixels_of(plain(cache))
    damage(cache, 4)
    assert equal(pixels_of(through(cache)), expected)
    assert "photo04.png" in caplog.text
    assert "decoded again" in caplog.text
    assert np.array_equal(pickle.loads(pickle.dumps(cache)).read(4), expected[4])


def test_a_file_cut_short_while_it_is_open_costs_no_image(cache):
    expected = pixels_of(plain(cache))
    with cache.path.open("r+b") as stream:
        stream.truncate(first_pixel(len(expected)) + 100)
    assert equal(pixels_of(through(cache)), expected)
    assert equal(pixels_of(through(open_cache(cache.source, cache.path.parent, workers=0))), expected)


def test_an_image_that_changed_after_its_damaged_pixels_were_cached_is_decoded(cache, caplog):
    damage(cache, 4)
    path = cache.source.table.path(4)
    path.write_bytes(cache.source.table.path(8).read_bytes())
    expected = pixels_of(plain(cache))
    assert equal(pixels_of(through(cache)), expected)
    assert "photo04.png has changed" in caplog.text
    assert cache.read(4) is None


def test_a_copy_for_another_process_reads_the_same_file(cache):
    copy = pickle.loads(pickle.dumps(through(cache)))
    assert copy.cached.cache.read(2) is not None
    assert equal(pixels_of(copy), pixels_of(plain(cache)))


@pytest.mark.parametrize("fate", ["removed", "replaced"])
def test_a_copy_whose_file_is_another_one_by_now_decodes_and_leaves_that_alone(cache, fate):
    dataset = through(cache)
    pickled = pickle.dumps(dataset)
    cache.path.unlink()
    if fate == "replaced":
        cache.path.write_bytes(b"\0" * 100_000)
    assert equal(pixels_of(pickle.loads(pickled)), pixels_of(plain(cache)))
    assert equal(pixels_of(dataset), pixels_of(plain(cache)))  # still open here
    if fate == "replaced":
        assert cache.path.read_bytes() == b"\0" * 100_000


def test_a_closed_cache_has_no_pixels(cache, caplog):
    caplog.set_level(logging.WARNING)
    cache.close()
    cache.close()
    assert cache.read(0) is None
