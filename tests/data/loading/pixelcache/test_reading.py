"""Oracle: the images as they are decoded without a cache."""

import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest

from linearityiqa.data.loading import pixelcache
from linearityiqa.data.loading.dataset import ImageDataset
from linearityiqa.data.loading.pixelcache import Decoding, PixelSource, open_cache
from linearityiqa.data.loading.samplers import SampleKey
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
    return ImageDataset(table, source.transform, decoding=source.decoding, cached=cache)


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
    monkeypatch.setattr(pixelcache, "decoded", lambda *a, **k: pytest.fail("decoded"))
    assert through(cache).only_reads
    pixels_of(through(cache))


def cut_short(content: bytes) -> bytes:
    return content[:-1]


def flipped(content: bytes) -> bytes:
    return content[:30] + bytes([content[30] ^ 1]) + content[31:]


def flipped_crc(content: bytes) -> bytes:
    return content[:-1] + bytes([content[-1] ^ 1])


def emptied(content: bytes) -> bytes:
    return b""


def file_of(cache, name: str) -> Path:
    return cache.folder / cache.files[name]


def damage(cache, name: str, how=flipped) -> None:
    path = file_of(cache, name)
    path.write_bytes(how(path.read_bytes()))


@pytest.mark.parametrize("how", [cut_short, flipped, flipped_crc, emptied])
def test_a_damaged_image_is_decoded_and_mended(cache, caplog, how):
    expected = pixels_of(plain(cache))
    whole = file_of(cache, "photo04.png").read_bytes()
    damage(cache, "photo04.png", how)
    assert equal(pixels_of(through(cache)), expected)
    assert "photo04.png" in caplog.text
    assert "decoded again" in caplog.text
    assert file_of(cache, "photo04.png").read_bytes() == whole


def test_a_file_cut_short_after_it_was_read_costs_no_image(cache):
    expected = pixels_of(plain(cache))
    assert equal(pixels_of(through(cache)), expected)
    damage(cache, "photo04.png", cut_short)
    assert equal(pixels_of(through(cache)), expected)


def test_an_image_that_changed_after_its_damaged_pixels_were_cached_is_decoded(cache, caplog):
    damage(cache, "photo04.png")
    damaged = file_of(cache, "photo04.png").read_bytes()
    path = cache.source.table.path(4)
    path.write_bytes(cache.source.table.path(8).read_bytes())
    assert equal(pixels_of(through(cache)), pixels_of(plain(cache)))
    assert "photo04.png has changed" in caplog.text
    assert file_of(cache, "photo04.png").read_bytes() == damaged


def test_a_copy_for_another_process_reads_the_same_file(cache):
    copy = pickle.loads(pickle.dumps(through(cache)))
    assert equal(pixels_of(copy), pixels_of(plain(cache)))


def test_one_that_was_removed_costs_no_image_and_is_said_once(cache, caplog):
    dataset = through(cache)
    shutil.rmtree(cache.folder)
    assert equal(pixels_of(dataset), pixels_of(plain(cache)))
    assert caplog.text.count("cannot be mended") == len(caplog.records) == 1
