"""Oracles: the images as they are decoded without a cache, and how many of them were decoded."""

import errno
import logging
import pickle
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from linearityiqa import files, machine
from linearityiqa.config import TransformConfig
from linearityiqa.data.databases.table import ImageTable
from linearityiqa.data.loading import pixelcache
from linearityiqa.data.loading.dataset import ImageDataset
from linearityiqa.data.loading.pixelcache import LOCK, Decoding, PixelSource, cache_folder, open_cache
from linearityiqa.data.loading.samplers import SampleKey
from linearityiqa.errors import DataError, UnreadableImageError
from linearityiqa.files import try_lock
from linearityiqa.images import ImageTransform, decode

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


@pytest.fixture
def cache(source, tmp_path):
    return open_cache(source, tmp_path / "c", workers=0)


def is_right(cache) -> bool:
    source = cache.source
    return all(
        np.array_equal(cache.pixels(name), np.asarray(source.transform.pixels(decode(path).image)))
        for name, path in zip(source.table.names, source.table.paths(), strict=True)
    )


# Making a cache


def test_a_second_run_decodes_nothing(source, tmp_path, decodings):
    open_cache(source, tmp_path / "c", workers=0)
    assert len(decodings) == COUNT
    cache = open_cache(source, tmp_path / "c", workers=0)
    assert is_right(cache)
    assert len(decodings) == COUNT
    assert sorted(path.name for path in cache.folder.iterdir()) == sorted([LOCK, *cache.files.values()])


def test_making_it_tells_where_it_is_and_how_large(source, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    cache = open_cache(source, tmp_path / "c", workers=0)
    assert f"decoding 20 of 20 images, new or changed, into the pixel cache {cache.folder} (0.0 MB)" in caplog.text


@pytest.mark.parametrize("native", [False, True])
def test_processes_make_the_same_files(photos, tmp_path, native, monkeypatch):
    monkeypatch.setattr(machine, "ITEMS_WORTH_A_PROCESS", 8)
    source = PixelSource(photos, ImageTransform(None if native else (20, 28)), decoding=Decoding(exif_rotation=True))
    made = [open_cache(source, tmp_path / str(workers), workers=workers) for workers in (0, 2)]
    alone, together = ({path.name: path.read_bytes() for path in cache.folder.iterdir()} for cache in made)
    assert alone == together


def test_a_changed_image_alone_is_decoded_again_and_that_is_said(source, tmp_path, caplog, decodings):
    caplog.set_level(logging.INFO)
    old = open_cache(source, tmp_path / "c", workers=0)
    before = old.pixels("photo04.png").copy()
    shutil.copy(source.table.path(8), source.table.path(4))
    cache = open_cache(source, tmp_path / "c", workers=0)
    assert "decoding 1 of 20 images, new or changed" in caplog.text
    assert decodings[20:] == ["photo04.png"]
    assert is_right(cache)
    assert np.array_equal(old.pixels("photo04.png"), before)  # a run that has the old one open keeps it


def test_files_of_earlier_versions_are_ignored(source, tmp_path):
    """They were called DIGEST.20x28: rows of pixels and a CRC-32."""
    folder = tmp_path / "c" / source.folder_name
    folder.mkdir(parents=True)
    for name in source.table.names:
        (folder / Path(source.file_of(name)).with_suffix(".20x28").name).write_bytes(bytes(20 * 28 * 3 + 4))
    assert is_right(open_cache(source, tmp_path / "c", workers=0))


def test_the_cache_of_another_transform_is_another_one(cache, photos, tmp_path):
    transform = cache.source.transform
    others = [
        PixelSource(photos, ImageTransform((10, 12))),
        PixelSource(photos, replace(transform, mode="shrink")),
        PixelSource(photos, transform, decoding=Decoding(exif_rotation=True)),
        PixelSource(photos, ImageTransform((20, 28), (9, 9))),
        PixelSource(photos, transform, decoding=Decoding(colour_profile=True)),
        PixelSource(photos.head(10), transform),
    ]
    folders = {open_cache(other, tmp_path / "c", workers=0).folder for other in others}
    assert len(folders | {cache.folder}) == 7
    assert is_right(cache)


def test_decode_reduced_enters_the_key(photos):
    config = TransformConfig(resize=True, resize_mode="fit")
    whole, reduced = (ImageTransform.of(each) for each in (config, replace(config, decode_reduced=True)))
    assert PixelSource(photos, whole).folder_name != PixelSource(photos, reduced).folder_name


def test_an_unreadable_image_is_named_as_without_a_cache_and_the_rest_is_kept(source, tmp_path, decodings):
    path = source.table.path(17)
    content = path.read_bytes()
    path.write_bytes(content[:200])
    with pytest.raises(UnreadableImageError) as direct:
        decode(path)
    with pytest.raises(UnreadableImageError) as through_cache:
        open_cache(source, tmp_path / "c", workers=0)
    assert str(through_cache.value) == str(direct.value)
    path.write_bytes(content)
    before = len(decodings)
    assert is_right(open_cache(source, tmp_path / "c", workers=0))
    assert decodings[before:] == [f"photo{i}.png" for i in range(17, 20)]


def test_a_missing_image_is_named_as_without_a_cache(source, tmp_path):
    source.table.path(2).unlink()
    with pytest.raises(UnreadableImageError, match=r"photo02\.png does not exist"):
        open_cache(source, tmp_path / "c", workers=0)


def test_too_little_space_is_said_before_anything_is_decoded(source, tmp_path, decodings, monkeypatch):
    usage = shutil.disk_usage(tmp_path)._replace(free=50_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    for each in (source, source._replace(transform=ImageTransform())):
        with pytest.raises(DataError, match=r"cache of 20 images takes 0\.0 MB, but .* must stay free.*--cache none"):
            open_cache(each, tmp_path / "c", workers=0)
    assert decodings == []
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=100_000))
    assert is_right(open_cache(source, tmp_path / "c", workers=0))


def test_a_disk_that_is_full_after_all_is_said_and_leaves_no_half_file(source, tmp_path, monkeypatch):
    def full(path, target):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(DataError, match=r"cannot use the pixel cache.*No space left.*--cache"):
        open_cache(source, tmp_path / "c", workers=0)
    assert [path.name for path in (tmp_path / "c" / source.folder_name).iterdir()] == [LOCK]


def test_a_folder_that_cannot_be_made_is_named_with_the_option(source, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"cannot use the pixel cache .*file.*--cache"):
        open_cache(source, tmp_path / "file" / "c", workers=0)


# Run by processes of their own: each notes its decodings in a file, and can be told to stop for ever after some.
MAKE = """
import sys, time
from pathlib import Path
import numpy as np
from linearityiqa.data.loading import pixelcache
from linearityiqa.data.loading.pixelcache import PixelSource, open_cache
from linearityiqa.data.databases.table import ImageTable
from linearityiqa.images import ImageTransform

photos, cache, log, most = Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4])
original = pixelcache.decoded

def noted(path, *args, **kwargs):
    with log.open("a") as stream:
        stream.write(path.name + "\\n")
    while len(log.read_text().split()) > most:
        time.sleep(1)
    return original(path, *args, **kwargs)

pixelcache.decoded = noted
names = tuple(sorted(path.name for path in photos.glob("*.png")))
table = ImageTable(names, np.linspace(1, 100, len(names)), photos)
open_cache(PixelSource(table, ImageTransform((20, 28))), cache, workers=0)
"""


def maker(source: PixelSource, tmp_path: Path, log: Path, most: int) -> subprocess.Popen:
    words = [source.table.root, tmp_path / "c", log, most]
    return subprocess.Popen([sys.executable, "-c", MAKE, *map(str, words)])


@pytest.mark.slow
def test_a_second_process_waits_and_goes_on_when_the_first_is_killed(source, tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    with maker(source, tmp_path, first, most=11) as doomed:
        deadline = time.monotonic() + 120
        while not (first.exists() and len(first.read_text().split()) == 12) and time.monotonic() < deadline:
            time.sleep(0.05)
        waiting = maker(source, tmp_path, second, most=COUNT)
        with pytest.raises(subprocess.TimeoutExpired):
            waiting.wait(timeout=2)
        doomed.kill()
    assert waiting.wait(timeout=120) == 0
    assert second.read_text().split() == list(source.table.names[11:])
    assert is_right(open_cache(source, tmp_path / "c", workers=0))


def test_who_waits_can_be_stopped_and_says_what_it_waits_for(source, tmp_path, caplog, monkeypatch):
    caplog.set_level(logging.INFO)
    folder = tmp_path / "c" / source.folder_name
    folder.mkdir(parents=True)

    def stop(seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(files.time, "sleep", stop)
    with (folder / LOCK).open("w") as stream:
        assert try_lock(stream.fileno())
        with pytest.raises(KeyboardInterrupt):
            open_cache(source, tmp_path / "c", workers=0)
    assert "another process is making the pixel cache" in caplog.text


def test_it_is_made_where_there_are_no_locks(source, tmp_path, monkeypatch):
    monkeypatch.setattr(files, "try_lock", lambda descriptor: None)
    assert is_right(open_cache(source, tmp_path / "c", workers=0))


def test_the_option_names_a_folder(monkeypatch, tmp_path):
    assert cache_folder("none") is None
    assert cache_folder("some/where") == Path("some/where")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder("auto") == tmp_path / "linearityiqa"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cache_folder("auto") == tmp_path / "home" / ".cache" / "linearityiqa"
    assert cache_folder("~/x") == tmp_path / "home" / "x"


# Reading from it


def pixels_of(dataset: ImageDataset) -> list[np.ndarray]:
    return [dataset[SampleKey(0, i)][0].numpy() for i in range(len(dataset))]


def equal(first: list[np.ndarray], second: list[np.ndarray]) -> bool:
    return len(first) == len(second) and all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def through(cache) -> ImageDataset:
    return ImageDataset(cache.source.table, cache.source.transform, decoding=cache.source.decoding, cached=cache)


def plain(cache) -> ImageDataset:
    return ImageDataset(cache.source.table, cache.source.transform, decoding=cache.source.decoding)


TRANSFORMS = [ImageTransform(), ImageTransform((20, 28)), ImageTransform((20, 28), common_size=(7, 8))]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("transform", TRANSFORMS)
@pytest.mark.parametrize("exif_rotation", [False, True])
def test_cached_images_and_sizes_are_the_decoded_ones(photos, tmp_path, transform, exif_rotation, monkeypatch):
    source = PixelSource(photos, transform, decoding=Decoding(exif_rotation=exif_rotation))
    cache = open_cache(source, tmp_path / "cache", workers=0)
    expected = pixels_of(plain(cache)), plain(cache).sizes()
    monkeypatch.setattr(pixelcache, "decoded", lambda *a, **k: pytest.fail("decoded"))
    assert through(cache).only_reads
    assert equal(pixels_of(through(cache)), expected[0])
    assert through(cache).sizes() == expected[1]


def test_what_is_done_to_the_pixels_does_not_reach_the_cache(cache):
    cache.pixels("photo04.png")[:] = 0
    assert is_right(cache)


def test_a_split_finds_its_own_images_also_in_another_process(cache):
    table = cache.source.table.subset([7, 3, 19])
    split = ImageDataset(table, cache.source.transform, cached=cache)
    expected = pixels_of(ImageDataset(table, cache.source.transform))
    assert equal(pixels_of(split), expected)
    assert equal(pixels_of(pickle.loads(pickle.dumps(split))), expected)


@pytest.mark.parametrize("length", [0, 50, -1])
def test_a_file_cut_short_is_made_again(cache, caplog, length):
    file = cache.folder / cache.files["photo04.png"]
    whole = file.read_bytes()
    file.write_bytes(whole[:length])
    assert is_right(cache)
    assert "photo04.png" in caplog.text
    assert "decoded again" in caplog.text
    assert file.read_bytes() == whole


def test_a_file_of_objects_is_not_unpickled(cache):
    file = cache.folder / cache.files["photo04.png"]
    np.save(file, np.array([Path("anything")]), allow_pickle=True)
    assert is_right(cache)


def test_new_pixels_are_not_kept_under_the_name_of_the_old_ones(cache):
    file = cache.folder / cache.files["photo04.png"]
    file.write_bytes(b"")
    shutil.copy(cache.source.table.path(8), cache.source.table.path(4))
    assert is_right(cache)
    assert file.read_bytes() == b""


def test_one_that_was_removed_costs_no_image_and_is_not_made_again(cache):
    shutil.rmtree(cache.folder)
    assert is_right(cache)
    assert not cache.folder.exists()
