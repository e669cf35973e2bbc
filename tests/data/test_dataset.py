"""Oracles: the dataset's own samples taken one by one, images.py, and what the operating system says of processes."""

import multiprocessing
import os
import signal
import time
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import linearityiqa.data.dataset as data
from linearityiqa.config import AugmentationConfig
from linearityiqa.data.augmentation import Augmentation
from linearityiqa.data.dataset import (
    Batch,
    ImageDataset,
    SampleKey,
    collate,
    default_workers,
    generator_for,
    make_loader,
    require_equal_sizes,
)
from linearityiqa.data.samplers import EvaluationBatches, TrainingBatches
from linearityiqa.data.table import ImageTable
from linearityiqa.errors import DataError, UnreadableImageError
from linearityiqa.images import ImageTransform, decode

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


def epochs(dataset: ImageDataset, workers: int, starts: list[tuple[int, int]], **options: bool) -> list[list[Batch]]:
    batches = TrainingBatches(len(dataset), 4, seed=8)
    loader = make_loader(dataset, batches, workers, **options)
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


# --- samples ---------------------------------------------------------------------------------------


def test_a_sample_is_the_transformed_image_its_score_and_its_row(table):
    transform = ImageTransform((16, 24))
    image, mos, index = ImageDataset(table, transform)[SampleKey(0, 3)]
    assert np.array_equal(image.numpy(), transform(decode(table.path(3)).image))
    assert image.dtype == torch.float32
    assert (mos, index) == (table.mos[3], 3)


def test_augmentation_depends_on_seed_epoch_and_row_only(augmented, table):
    again = ImageDataset(table, ImageTransform((28, 30)), augmentation=Augmentation(CROP), seed=4)
    image = augmented[SampleKey(2, 5)][0]
    assert image.shape == (3, 24, 20)
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
        dataset = ImageDataset(table, ImageTransform(), exif_rotation=rotate)
        assert dataset[SampleKey(0, 0)][0].shape[1:] == size
        assert dataset.sizes() == [size]


def test_an_unreadable_image_is_named(table):
    table.path(2).write_bytes(table.path(2).read_bytes()[:100])
    with pytest.raises(UnreadableImageError, match=r"photo02\.png"):
        ImageDataset(table, ImageTransform())[SampleKey(0, 2)]


def test_an_image_smaller_than_the_crop_is_named(table):
    dataset = ImageDataset(table, ImageTransform((20, 20)), augmentation=Augmentation(CROP))
    with pytest.raises(DataError, match=r"photo07\.png: .*smaller than the crop"):
        dataset[SampleKey(0, 7)]


# --- sizes -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("transform", [ImageTransform(), ImageTransform((9, 12)), ImageTransform(common_size=(7, 8))])
def test_sizes_are_those_of_the_samples(table, transform):
    Image.new("RGB", (50, 60)).save(table.path(4))
    dataset = ImageDataset(table, transform)
    assert dataset.sizes() == [tuple(dataset[SampleKey(0, i)][0].shape[1:]) for i in range(len(table))]


def test_augmented_sizes_are_the_crops(augmented):
    assert augmented.sizes() == [(24, 20)] * len(augmented)


def test_equal_sizes_are_required_by_name(table):
    require_equal_sizes(ImageDataset(table, ImageTransform()))
    Image.new("RGB", (50, 60)).save(table.path(4))
    with pytest.raises(DataError, match=r"photo00\.png has 32 x 40 and photo04\.png 60 x 50 .*--resize"):
        require_equal_sizes(ImageDataset(table, ImageTransform()))
    require_equal_sizes(ImageDataset(table, ImageTransform((9, 9))))


# --- batches ---------------------------------------------------------------------------------------


def test_collate_stacks():
    batch = collate([(torch.zeros(3, 2, 2), 1.5, 7), (torch.ones(3, 2, 2), 2.5, 3)])
    assert batch.images.shape == (2, 3, 2, 2)
    assert (batch.mos.tolist(), batch.mos.dtype) == ([1.5, 2.5], torch.float32)
    assert (batch.indices.tolist(), batch.indices.dtype) == ([7, 3], torch.int64)


def test_collate_refuses_unequal_sizes_by_row_or_by_name():
    samples = [(torch.zeros(3, 2, 2), 1.0, 1), (torch.zeros(3, 4, 5), 1.0, 0)]
    with pytest.raises(DataError, match="image 1 has 2 x 2 and image 0 4 x 5"):
        collate(samples)
    with pytest.raises(DataError, match=r"b\.png has 2 x 2 and a\.png 4 x 5"):
        collate(samples, names=("a.png", "b.png"))


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


def test_two_iterations_can_go_on_side_by_side(augmented):
    loader = make_loader(augmented, TrainingBatches(len(augmented), 4, seed=8), 2, persistent=False)
    pairs = list(zip(loader, loader, strict=True))
    assert len(pairs) == 3
    assert all(same([first], [second]) for first, second in pairs)


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_are_pinned_where_there_is_a_gpu(augmented, workers, monkeypatch):
    pinned = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda tensor: pinned.append(tensor) or tensor)
    (batches,) = epochs(augmented, workers, [(0, 0)], pin_memory=True)
    assert [id(part) for batch in batches for part in batch] == [id(part) for part in pinned]


def test_the_global_stream_is_left_alone(augmented):
    torch.manual_seed(3)
    before = torch.get_rng_state()
    epochs(augmented, 0, [(0, 0)])
    assert torch.equal(torch.get_rng_state(), before)


def test_no_more_workers_are_started_than_there_are_batches(table):
    dataset = ImageDataset(table, ImageTransform())
    batches = EvaluationBatches(dataset.sizes(), 6, max_pixels_per_batch=10**9)
    assert make_loader(dataset, batches, 64).num_workers == len(batches) == 2
    empty = EvaluationBatches(dataset.sizes(), 6, max_pixels_per_batch=10**9, skip=2)
    assert list(make_loader(dataset, empty, 64)) == []


def test_default_workers_are_the_cores_at_most_eight():
    assert default_workers(0) == 0
    assert default_workers(13) == 13
    assert 1 <= default_workers(None) <= min(8, os.cpu_count() or 1)


# --- failures --------------------------------------------------------------------------------------


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
    loader = make_loader(dataset, TrainingBatches(len(dataset), 4, seed=8), 2)
    broken.write_bytes(b"")
    with pytest.raises(UnreadableImageError):
        list(loader)
    broken.write_bytes(content)
    assert same(list(loader), epochs(dataset, 0, [(0, 0)])[0])


def many(table: ImageTable, count: int) -> ImageTable:
    return replace(table, names=table.names[:1] * count, mos=np.zeros(count))


def test_a_killed_worker_is_explained(table):
    dataset = ImageDataset(many(table, 4000), ImageTransform())
    loader = make_loader(dataset, TrainingBatches(len(dataset), 2, seed=0), 1)
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
    loader = make_loader(dataset, TrainingBatches(len(dataset), 4, seed=0), 2)
    list(loader)
    first = set(workers_alive()) - before
    list(loader)
    assert set(workers_alive()) - before >= first != set()
    loader.close()
    assert wait_until(lambda: set(workers_alive()) <= before)
    assert len(list(loader)) == len(loader) == 3
    loader.close()


def test_at_most_two_batches_a_worker_are_decoded_ahead(table, monkeypatch):
    class CountingPool:
        """Runs what is submitted at once."""

        def __init__(self, _workers, _context, initializer, arguments):
            self.submitted = 0
            pools.append(self)
            monkeypatch.setattr(data, "_worker_dataset", *arguments, raising=False)

        def submit(self, function, keys):
            self.submitted += 1
            future = Future()
            future.set_result(function(keys))
            return future

    pools: list[CountingPool] = []
    monkeypatch.setattr(data, "ProcessPoolExecutor", CountingPool)
    dataset = ImageDataset(many(table, 40), ImageTransform())
    loader = make_loader(dataset, TrainingBatches(len(dataset), 2, seed=0), 3)
    for taken, _ in enumerate(loader, start=1):
        assert pools[0].submitted == min(taken + 2 * 3, 20)


@pytest.mark.parametrize("persistent", [True, False])
def test_workers_end_when_an_iteration_is_left(table, persistent):
    dataset = ImageDataset(many(table, 400), ImageTransform())
    before = set(workers_alive())
    loader = make_loader(dataset, TrainingBatches(len(dataset), 2, seed=0), 2, persistent=persistent)
    for _ in loader:
        assert len(set(workers_alive()) - before) == 2
        break
    del _
    if persistent:
        del loader
    assert wait_until(lambda: set(workers_alive()) <= before)


def test_workers_leave_ctrl_c_to_their_parent(table):
    dataset = ImageDataset(many(table, 400), ImageTransform())
    before = set(workers_alive())
    loader = make_loader(dataset, TrainingBatches(len(dataset), 2, seed=0), 2)
    batches = iter(loader)
    received = [next(batches), next(batches)]  # one from each worker: both have started
    for worker in set(workers_alive()) - before:
        os.kill(worker, signal.SIGINT)
    received += batches
    assert len(received) == 200


# Run by the process that is killed, which is started by exec because pytest's test modules cannot be imported by name.
LOAD_AND_WAIT = """
import multiprocessing, time
from linearityiqa.data.dataset import ImageDataset, make_loader
from linearityiqa.data.samplers import TrainingBatches
from linearityiqa.images import ImageTransform

dataset = ImageDataset(table, ImageTransform())
batches = iter(make_loader(dataset, TrainingBatches(len(dataset), 2, seed=0), 1))
next(batches)
connection.send([process.pid for process in multiprocessing.active_children()])
time.sleep(600)
"""


def running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.skipif("forkserver" not in multiprocessing.get_all_start_methods(), reason="needs a fork server")
def test_workers_do_not_outlive_a_killed_process(table):
    context = multiprocessing.get_context("forkserver")
    receiver, connection = context.Pipe(duplex=False)
    doomed = context.Process(target=exec, args=(LOAD_AND_WAIT, {"table": many(table, 400), "connection": connection}))
    doomed.start()
    assert receiver.poll(60)
    (worker,) = receiver.recv()
    assert running(worker)
    doomed.kill()
    doomed.join()
    assert wait_until(lambda: not running(worker))
