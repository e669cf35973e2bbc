"""Oracles: the dataset's own samples taken one by one, and what the operating system says of processes."""

import logging
import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import linearityiqa.data.loading.loader as data
from linearityiqa.data.databases.table import ImageTable
from linearityiqa.data.loading.dataset import Batch, ImageDataset, SampleKey
from linearityiqa.data.loading.loader import BatchLoader
from linearityiqa.data.loading.pixelcache import PixelSource, open_cache
from linearityiqa.data.loading.samplers import TrainingBatches, evaluation_batches
from linearityiqa.errors import DataError, UnreadableImageError
from linearityiqa.images import ImageTransform
from linearityiqa.machine import BatchLimit

pytestmark = pytest.mark.slow


def epochs(dataset: ImageDataset, workers: int, starts: list[tuple[int, int]], **options: bool) -> list[list[Batch]]:
    batches = TrainingBatches(len(dataset), 4, seed=8)
    loader = BatchLoader(dataset, batches, workers, **options)
    result = []
    for start in starts:
        batches.start_at(*start)
        result.append(list(loader))
    return result


def same(first: list[Batch], second: list[Batch]) -> bool:
    return len(first) == len(second) and all(
        torch.equal(a, b) for pair in zip(first, second, strict=True) for a, b in zip(*pair, strict=True)
    )


def workers_alive() -> list[int]:
    return [process.pid for process in multiprocessing.active_children()]


def wait_until(condition, seconds: float = 30) -> bool:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return condition()


def test_a_loader_gives_the_samplers_batches(augmented):
    (batches,) = epochs(augmented, 0, [(1, 0)])
    sampler = TrainingBatches(len(augmented), 4, seed=8)
    sampler.start_at(1)
    for batch, keys in zip(batches, sampler, strict=True):
        assert torch.equal(batch.images, torch.stack([augmented[key][0] for key in keys]))
        assert batch.indices.tolist() == [key.index for key in keys]
        assert np.allclose(batch.mos, augmented.table.mos[batch.indices])


@pytest.mark.parametrize("persistent", [True, False])
def test_batches_are_the_same_to_the_bit_for_any_number_of_workers(augmented, persistent):
    """Three epochs, the second of them gone on with from its second batch."""
    starts = [(0, 0), (1, 1), (2, 0)]
    alone, shared = epochs(augmented, 0, starts), epochs(augmented, 2, starts, persistent=persistent)
    assert [len(epoch) for epoch in alone] == [3, 2, 3]
    assert all(same(a, b) for a, b in zip(alone, shared, strict=True))


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_are_pinned_where_there_is_a_gpu(augmented, workers, monkeypatch):
    pinned = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda tensor: pinned.append(tensor) or tensor)
    (batches,) = epochs(augmented, workers, [(0, 0)], pin_memory=True)
    assert [id(part) for batch in batches for part in batch] == [id(part) for part in pinned]


@pytest.fixture
def cached(augmented, tmp_path) -> ImageDataset:
    """The augmented images without augmentation, from a cache."""
    table, transform = augmented.table, augmented.transform
    cache = open_cache(PixelSource(table, transform), tmp_path / "cache", workers=0)
    return ImageDataset(table, transform, cached=cache)


@pytest.mark.parametrize("workers", [0, 1, 5])
def test_batches_from_a_cache_are_the_decoded_ones_and_need_no_processes(cached, workers):
    plain = ImageDataset(cached.table, cached.transform)
    before = set(workers_alive())  # those of a test before this one may be ending still
    starts = [(0, 0), (1, 1)]
    read = epochs(cached, workers, starts)
    assert set(workers_alive()) <= before
    assert all(same(a, b) for a, b in zip(read, epochs(plain, 0, starts), strict=True))


@pytest.mark.parametrize("workers", [0, 2])
def test_augmented_batches_from_a_cache_are_the_decoded_ones(augmented, cached, workers):
    changed = ImageDataset(
        augmented.table,
        augmented.transform,
        augmentation=augmented.augmentation,
        seed=augmented.seed,
        cached=cached.cached,
    )
    starts = [(0, 0), (1, 1)]
    read = epochs(changed, workers, starts, persistent=False)
    assert all(same(a, b) for a, b in zip(read, epochs(augmented, 0, starts), strict=True))


def test_reading_threads_end_when_the_loader_is_closed(cached):
    before = threading.active_count()
    loader = BatchLoader(cached, TrainingBatches(len(cached), 4, seed=0), 2)
    list(loader)
    loader.close()
    assert wait_until(lambda: threading.active_count() <= before)
    assert len(list(loader)) == 3


@pytest.mark.parametrize(("slow", "advised"), [(True, True), (False, False)])
def test_much_waiting_is_answered_with_advice_once(table, caplog, monkeypatch, slow, advised):
    """The clock goes 10 s a batch, most of it in decoding or in computing."""
    caplog.set_level(logging.INFO)
    now = 0.0
    monkeypatch.setattr(data.time, "monotonic", lambda: now)
    data.advise.cache_clear()
    original = ImageDataset.__getitem__

    def decoded(self, key):
        nonlocal now
        now += 2.0 if slow else 0.1
        return original(self, key)

    monkeypatch.setattr(ImageDataset, "__getitem__", decoded)
    loader = BatchLoader(ImageDataset(many(table, 40), ImageTransform()), TrainingBatches(40, 4, seed=0), 0)
    for _ in range(2):
        for _ in loader:
            now += 2.0 if slow else 10.0
    assert caplog.text.count("--cache auto") == advised


def test_no_more_workers_are_started_than_there_are_batches(table):
    dataset = ImageDataset(table, ImageTransform())
    batches = evaluation_batches(dataset.sizes(), BatchLimit(6))
    assert BatchLoader(dataset, batches, 64).num_workers == len(batches) == 2
    empty = evaluation_batches(dataset.sizes(), BatchLimit(6))[2:]
    assert list(BatchLoader(dataset, empty, 64)) == []


@pytest.mark.parametrize("workers", [0, 1])
def test_an_empty_share_is_an_empty_batch_of_the_images_shape(augmented, workers):
    loader = BatchLoader(augmented, [[SampleKey(1, 3)], []], workers, persistent=False)
    whole, empty = loader
    assert [(len(part), part.shape[1:], part.dtype) for part in empty] == [
        (0, part.shape[1:], part.dtype) for part in whole
    ]


@pytest.mark.parametrize("workers", [0, 2])
def test_an_unreadable_image_reaches_the_user_as_it_was_raised(table, workers):
    table.path(2).write_bytes(b"")
    dataset = ImageDataset(table, ImageTransform())
    with pytest.raises(UnreadableImageError) as direct:
        dataset[SampleKey(0, 2)]
    with pytest.raises(UnreadableImageError) as through_loader:
        epochs(dataset, workers, [(0, 0)])
    assert str(through_loader.value) == str(direct.value)


@pytest.mark.parametrize("workers", [0, 2])
def test_unequal_sizes_reach_the_user_as_one_sentence(table, workers):
    Image.new("RGB", (50, 60)).save(table.path(4))
    with pytest.raises(DataError, match=r"photo04\.png .*--resize") as caught:
        epochs(ImageDataset(table, ImageTransform()), workers, [(0, 0)])
    assert "Traceback" not in str(caught.value)


def test_a_loader_works_again_after_a_failure(table):
    broken = table.path(2)
    content = broken.read_bytes()
    dataset = ImageDataset(table, ImageTransform())
    loader = BatchLoader(dataset, TrainingBatches(len(dataset), 4, seed=8), 2)
    broken.write_bytes(b"")
    with pytest.raises(UnreadableImageError):
        list(loader)
    broken.write_bytes(content)
    assert same(list(loader), epochs(dataset, 0, [(0, 0)])[0])


def many(table: ImageTable, count: int) -> ImageTable:
    return replace(table, names=table.names[:1] * count, mos=np.zeros(count))


def test_a_killed_worker_is_explained(table):
    dataset = ImageDataset(many(table, 4000), ImageTransform())
    loader = BatchLoader(dataset, TrainingBatches(len(dataset), 2, seed=0), 1)
    before = set(workers_alive())
    batches = iter(loader)
    next(batches)
    (worker,) = set(workers_alive()) - before
    os.kill(worker, signal.SIGKILL)
    with pytest.raises(DataError, match=r"a process that decodes images died.*--num_workers") as caught:
        list(batches)
    assert caught.value.__cause__ is not None


def test_workers_are_kept_between_iterations_until_the_loader_is_closed(table):
    before = set(workers_alive())
    dataset = ImageDataset(table, ImageTransform())
    loader = BatchLoader(dataset, TrainingBatches(len(dataset), 4, seed=0), 2)
    list(loader)
    first = set(workers_alive()) - before
    list(loader)
    assert set(workers_alive()) - before >= first != set()
    loader.close()
    assert wait_until(lambda: set(workers_alive()) <= before)
    assert len(list(loader)) == len(loader) == 3
    loader.close()


@pytest.mark.parametrize("persistent", [True, False])
def test_workers_end_when_an_iteration_is_left(table, persistent):
    dataset = ImageDataset(many(table, 400), ImageTransform())
    before = set(workers_alive())
    loader = BatchLoader(dataset, TrainingBatches(len(dataset), 2, seed=0), 2, persistent=persistent)
    for _ in loader:
        assert len(set(workers_alive()) - before) == 2
        break
    del _
    if persistent:
        del loader
    assert wait_until(lambda: set(workers_alive()) <= before)


# Scripts: signals reach whole groups, limits hold for whole processes, and a spawned process cannot import this module.
SCRIPT = """
import multiprocessing, os, resource, signal, sys, time
from pathlib import Path
import numpy as np
from linearityiqa.data.databases.table import ImageTable
from linearityiqa.data.loading.dataset import ImageDataset
from linearityiqa.data.loading.loader import BatchLoader
from linearityiqa.data.loading.samplers import TrainingBatches
from linearityiqa.images import ImageTransform

def batches(count, workers, size=None):
    table = ImageTable(("photo00.png",) * count, np.arange(float(count)), Path(sys.argv[1]))
    return BatchLoader(ImageDataset(table, ImageTransform(size)), TrainingBatches(count, 2, seed=0), workers)

if __name__ == "__main__":
"""


def script(tmp_path: Path, lines: str) -> list[str]:
    path = tmp_path / "script.py"
    path.write_text(SCRIPT + textwrap.indent(textwrap.dedent(lines), "    "))
    return [sys.executable, str(path), str(tmp_path)]


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="no process groups here")
def test_signals_to_the_whole_group_leave_the_workers_at_work(table, tmp_path):
    """Ctrl-C and a scheduler's SIGTERM are for the process that iterates."""
    words = script(
        tmp_path,
        """
        heard = []
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda number, _: heard.append(number))
        iteration = iter(batches(60, 1))
        received = [next(iteration)]
        os.killpg(0, signal.SIGINT)
        os.killpg(0, signal.SIGTERM)
        time.sleep(0.5)
        received += iteration
        print(len(received), heard)
        """,
    )
    ended = subprocess.run(words, capture_output=True, text=True, start_new_session=True, timeout=300, check=False)
    assert (ended.returncode, ended.stdout) == (0, "30 [2, 15]\n"), ended.stderr


def running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.skipif("forkserver" not in multiprocessing.get_all_start_methods(), reason="needs a fork server")
def test_workers_do_not_outlive_a_killed_process(table, tmp_path):
    words = script(
        tmp_path,
        """
        iteration = iter(batches(400, 1))
        next(iteration)
        print(*(process.pid for process in multiprocessing.active_children()), flush=True)
        time.sleep(600)
        """,
    )
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as doomed:
        worker = int(doomed.stdout.readline())
        doomed.kill()
    assert wait_until(lambda: not running(worker))


@pytest.mark.skipif(sys.platform != "linux", reason="a limit on files that Linux also sets on shared memory")
def test_batches_that_find_no_shared_memory_are_the_same(table, tmp_path):
    """As where /dev/shm has the 64 MB that Docker gives it; oracle: decoding without processes."""
    words = script(
        tmp_path,
        """
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
        for workers in (0, 1):
            for batch in batches(4, workers, (200, 200)):
                print(batch.images.shape, batch.images.is_shared(), int(batch.images.long().sum()), batch.mos.tolist())
        """,
    )
    lines = subprocess.run(words, capture_output=True, text=True, check=True).stdout.splitlines()
    assert len(lines) == 4
    assert lines[:2] == lines[2:]
    assert lines[0].startswith("torch.Size([2, 200, 200, 3]) False")
