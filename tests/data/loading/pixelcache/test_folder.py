"""Oracles: the images as they are decoded without a cache, and how many of them were decoded."""

import errno
import logging
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from linearityiqa import files, machine
from linearityiqa.data.loading import pixelcache
from linearityiqa.data.loading.pixelcache import LOCK, Decoding, PixelSource, cache_folder, open_cache
from linearityiqa.errors import DataError, UnreadableImageError
from linearityiqa.files import try_lock
from linearityiqa.images import ImageTransform, decode


def renewed(source: PixelSource) -> PixelSource:
    """The same source as a later run sees it."""
    return PixelSource(source.table, source.transform, decoding=source.decoding)


def is_right(cache) -> bool:
    source = cache.source
    return all(
        np.array_equal(cache.pixels(name), np.asarray(source.transform.pixels(decode(path).image)))
        for name, path in zip(source.table.names, source.table.paths(), strict=True)
    )


def test_a_second_run_decodes_nothing(source, tmp_path, decodings):
    open_cache(source, tmp_path / "c", workers=0)
    assert len(decodings) == len(source.table)
    assert is_right(open_cache(renewed(source), tmp_path / "c", workers=0))
    assert len(decodings) == len(source.table)
    (folder,) = (tmp_path / "c").iterdir()
    assert len(list(folder.iterdir())) == len(source.table) + 1  # and the lock


def test_making_it_tells_where_it_is_and_how_large(source, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    cache = open_cache(source, tmp_path / "c", workers=0)
    assert f"decoding 20 of 20 images, new or changed, into the pixel cache {cache.folder} (0.0 MB)" in caplog.text
    assert sum(path.stat().st_size for path in cache.folder.iterdir()) == 20 * (20 * 28 * 3 + 4)  # pixels, CRC


def files_of(cache) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in cache.folder.iterdir()}


@pytest.mark.parametrize("native", [False, True])
def test_processes_make_the_same_files(photos, tmp_path, native, monkeypatch):
    monkeypatch.setattr(machine, "ITEMS_WORTH_A_PROCESS", 8)
    source = PixelSource(photos, ImageTransform(None if native else (20, 28)), decoding=Decoding(exif_rotation=True))
    alone = open_cache(source, tmp_path / "alone", workers=0)
    together = open_cache(source, tmp_path / "together", workers=2)
    assert files_of(alone) == files_of(together)


def test_a_changed_image_alone_is_decoded_again_and_that_is_said(source, tmp_path, caplog, decodings):
    caplog.set_level(logging.INFO)
    old = open_cache(source, tmp_path / "c", workers=0)
    before = old.pixels("photo04.png")
    shutil.copy(source.table.path(8), source.table.path(4))
    cache = open_cache(renewed(source), tmp_path / "c", workers=0)
    assert "decoding 1 of 20 images, new or changed" in caplog.text
    assert decodings[20:] == ["photo04.png"]
    assert is_right(cache)
    assert np.array_equal(cache.pixels("photo04.png"), cache.pixels("photo08.png"))
    assert np.array_equal(old.pixels("photo04.png"), before)  # a run that has the old one open keeps it


def test_the_file_in_which_earlier_versions_kept_a_cache_makes_room_for_it(source, tmp_path):
    folder = tmp_path / "c" / source.folder_name
    folder.mkdir(parents=True)
    for suffix in (".pixels", ".part", ".lock"):
        Path(f"{folder}{suffix}").touch()
    cache = open_cache(source, tmp_path / "c", workers=0)
    assert is_right(cache)
    assert list((tmp_path / "c").iterdir()) == [cache.folder]


def test_the_cache_of_another_transform_is_another_one(source, photos, tmp_path):
    first = open_cache(source, tmp_path / "c", workers=0)
    others = [
        PixelSource(photos, ImageTransform((10, 12))),
        PixelSource(photos, source.transform, decoding=Decoding(exif_rotation=True)),
        PixelSource(replace(photos, common_size=None), ImageTransform((20, 28), (9, 9))),
        PixelSource(photos, source.transform, decoding=Decoding(colour_profile=True)),
        PixelSource(photos.head(10), source.transform),
    ]
    folders = {open_cache(other, tmp_path / "c", workers=0).folder for other in others}
    assert len(folders | {first.folder}) == 6
    assert is_right(first)


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
    assert is_right(open_cache(renewed(source), tmp_path / "c", workers=0))
    assert decodings[before:] == [f"photo{i}.png" for i in range(17, 20)]


def test_a_missing_image_is_named_as_without_a_cache(source, tmp_path):
    source.table.path(2).unlink()
    with pytest.raises(UnreadableImageError, match=r"photo02\.png does not exist"):
        open_cache(source, tmp_path / "c", workers=0)


@pytest.mark.parametrize("native", [False, True])
def test_what_ends_the_work_loses_none_of_it(photos, tmp_path, decodings, native, monkeypatch):
    source = PixelSource(photos, ImageTransform(None if native else (20, 28)))
    counted = pixelcache.decoded

    def stopped_at_the_last(path, *args):
        if path.name == "photo16.png":
            raise KeyboardInterrupt
        return counted(path, *args)

    with monkeypatch.context() as patch:
        patch.setattr(pixelcache, "decoded", stopped_at_the_last)
        with pytest.raises(KeyboardInterrupt):
            open_cache(source, tmp_path / "c", workers=0)
    assert len(decodings) == 16
    shutil.copy(photos.path(6), photos.path(1))  # changed meanwhile
    assert is_right(open_cache(renewed(source), tmp_path / "c", workers=0))
    assert decodings[16:] == ["photo01.png", "photo16.png", "photo17.png", "photo18.png", "photo19.png"]


def test_too_little_space_is_said_before_anything_is_decoded(source, tmp_path, decodings, monkeypatch):
    usage = shutil.disk_usage(tmp_path)._replace(free=50_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(DataError, match=r"cache of 20 images takes 0\.0 MB, but .* must stay free.*--cache none"):
        open_cache(source, tmp_path / "c", workers=0)
    assert decodings == []
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=100_000))
    assert is_right(open_cache(source, tmp_path / "c", workers=0))


def test_a_disk_that_is_full_after_all_is_said_and_leaves_no_half_file(source, tmp_path, monkeypatch):
    def full(path, target):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", full)
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
from linearityiqa.data.loading.pixelcache import open_cache
from linearityiqa.data.loading.pixelcache import PixelSource
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
print("ready", flush=True)
sys.stdin.readline()
open_cache(PixelSource(table, ImageTransform((20, 28))), cache, workers=0)
"""


def maker(source: PixelSource, tmp_path: Path, most: int = 10**6) -> subprocess.Popen:
    words = [source.table.root, tmp_path / "c", tmp_path / "log", most]
    return subprocess.Popen(
        [sys.executable, "-c", MAKE, *map(str, words)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def noted(tmp_path: Path) -> list[str]:
    log = tmp_path / "log"
    return log.read_text().split() if log.exists() else []


def test_of_two_processes_one_makes_it_and_the_other_waits(source, tmp_path):
    makers = [maker(source, tmp_path) for _ in range(2)]
    for process in makers:
        assert process.stdout.readline() == "ready\n"
    for process in makers:
        process.stdin.write("\n")
        process.stdin.flush()
    for process in makers:
        process.communicate()
        assert process.returncode == 0
    assert sorted(noted(tmp_path)) == list(source.table.names)
    assert is_right(open_cache(source, tmp_path / "c", workers=0))


def test_when_the_maker_is_killed_another_goes_on(source, tmp_path, decodings):
    process = maker(source, tmp_path, most=11)
    process.stdin.write("\n")
    process.stdin.flush()
    deadline = time.monotonic() + 120
    while len(noted(tmp_path)) < 12 and time.monotonic() < deadline:
        time.sleep(0.05)
    process.kill()
    process.communicate()
    assert is_right(open_cache(source, tmp_path / "c", workers=0))
    assert decodings == list(source.table.names[11:])


def test_a_killed_worker_is_explained_and_costs_no_work(source, tmp_path, monkeypatch, decodings):
    """A thousand names of one image, so that most are still to be decoded when the worker dies."""
    folder_of_links = tmp_path / "links"
    folder_of_links.mkdir()
    names = tuple(f"{i:04d}.png" for i in range(1000))
    for name in names:
        (folder_of_links / name).hardlink_to(source.table.path(0))
    table = replace(source.table, names=names, mos=np.zeros(len(names)), root=folder_of_links)
    many = PixelSource(table, ImageTransform((4, 4)))
    before = set(multiprocessing.active_children())

    def kill_worker(items, *args, **kwargs):
        for done, image in enumerate(items):
            if done == 20:
                (worker,) = set(multiprocessing.active_children()) - before
                os.kill(worker.pid, signal.SIGKILL)
            yield image

    monkeypatch.setattr(pixelcache, "track", kill_worker)
    with pytest.raises(DataError, match=r"that decodes images died.*--num_workers"):
        open_cache(many, tmp_path / "c", workers=1)
    monkeypatch.setattr(pixelcache, "track", lambda items, *args, **kwargs: items)
    assert is_right(open_cache(many, tmp_path / "c", workers=0))
    assert 0 < len(decodings) < 1000


def test_who_waits_can_be_stopped_and_says_what_it_waits_for(source, tmp_path, caplog, monkeypatch):
    caplog.set_level(logging.INFO)
    folder = tmp_path / "c" / source.folder_name
    folder.mkdir(parents=True)
    with (folder / LOCK).open("w") as stream:
        assert try_lock(stream.fileno())

        def stop(seconds: float) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(pixelcache.time, "sleep", stop)
        with pytest.raises(KeyboardInterrupt):
            open_cache(source, tmp_path / "c", workers=0)
    assert "another process is making the pixel cache" in caplog.text


def test_it_is_made_where_there_are_no_locks(source, tmp_path, monkeypatch):
    monkeypatch.setattr(files, "try_lock", lambda descriptor: None)
    assert is_right(open_cache(source, tmp_path / "c", workers=0))


def test_files_that_are_of_no_use_any_more_are_removed_after_a_week(source, tmp_path):
    folder = tmp_path / "c" / source.folder_name
    folder.mkdir(parents=True)
    old, recent = folder / ".0.1.part", folder / ".0.2.part"
    for path, days in ((folder / LOCK, 8), (old, 8), (recent, 6)):
        path.write_bytes(b"x")
        os.utime(path, (time.time() - days * 86400,) * 2)
    open_cache(source, tmp_path / "c", workers=0)
    assert not old.exists()
    assert recent.exists()
    assert (folder / LOCK).exists()


def test_the_option_names_a_folder(monkeypatch, tmp_path):
    assert cache_folder("none") is None
    assert cache_folder("some/where") == Path("some/where")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder("auto") == tmp_path / "linearityiqa"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cache_folder("auto") == tmp_path / "home" / ".cache" / "linearityiqa"
    assert cache_folder("~/x") == tmp_path / "home" / "x"
