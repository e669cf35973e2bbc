"""Images of a table as tensors, and the processes that decode them ahead of the network."""

import contextlib
import multiprocessing
import multiprocessing.forkserver
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from multiprocessing.context import BaseContext
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler, default_collate

from linearityiqa.data.augmentation import Augmentation
from linearityiqa.data.samplers import SampleKey
from linearityiqa.data.table import ImageTable
from linearityiqa.errors import DataError, LinearityIQAError
from linearityiqa.images import ImageTransform, decode, image_size, normalise

__all__ = [
    "Batch",
    "ImageDataset",
    "SampleKey",
    "collate",
    "default_workers",
    "generator_for",
    "make_loader",
    "require_equal_sizes",
]

Sample = tuple[Tensor, float, int]


class Batch(NamedTuple):
    """Images of one size: float32 (N, 3, H, W); their MOS, float32 (N,); their rows in the table, int64 (N,)."""

    images: Tensor
    mos: Tensor
    indices: Tensor


class ImageDataset(Dataset[Sample]):
    """The images of a table, decoded when they are asked for.

    Args:
        table: names and opinion scores.
        transform: what every image undergoes.
        augmentation: random changes between resizing and normalising, for training.
        seed: seed of the augmentation; an image's changes depend on it, the epoch and the row, and on nothing else.
        exif_rotation: turn images upright by their EXIF orientation.
    """

    def __init__(
        self,
        table: ImageTable,
        transform: ImageTransform,
        *,
        augmentation: Augmentation | None = None,
        seed: int = 0,
        exif_rotation: bool = False,
    ) -> None:
        self.table = table
        self.transform = transform
        self.augmentation = augmentation
        self.seed = seed
        self.exif_rotation = exif_rotation

    def __len__(self) -> int:
        return len(self.table)

    def __getitem__(self, key: SampleKey) -> Sample:
        """The normalised image (3, H, W), its MOS and its row.

        Raises:
            DataError: the image cannot be decoded, or is smaller than the crop; the message names it.
        """
        epoch, index = key
        path = self.table.path(index)
        image = self.transform.pixels(decode(path, exif_rotation=self.exif_rotation).image)
        if self.augmentation is not None:
            try:
                image = self.augmentation(image, generator_for(self.seed, epoch, index))
            except DataError as cause:
                raise DataError(f"{path}: {cause}") from cause
        return torch.from_numpy(normalise(image)), float(self.table.mos[index]), index

    def sizes(self) -> list[tuple[int, int]]:
        """(height, width) of every image as the network sees it, from the files' headers where they decide it.

        Raises:
            UnreadableImageError: a header had to be read and could not; the message names the file.
        """
        fixed = self.augmentation.size if self.augmentation is not None else self._fixed_size()
        if fixed is not None:
            return [fixed] * len(self)
        paths = (self.table.path(index) for index in range(len(self)))
        return [self.transform.output_size(image_size(path, exif_rotation=self.exif_rotation)) for path in paths]

    def _fixed_size(self) -> tuple[int, int] | None:
        return self.transform.size or self.transform.common_size


def require_equal_sizes(dataset: ImageDataset) -> None:
    """Check before training that the images can share batches.

    Raises:
        DataError: two images differ in size; the message names them.
    """
    sizes = dataset.sizes()
    for index, size in enumerate(sizes):
        if size != sizes[0]:
            raise _unequal(dataset.table.names[0], sizes[0], dataset.table.names[index], size)


def generator_for(seed: int, epoch: int, index: int) -> torch.Generator:
    """The random stream of one image in one epoch, the same in any process and after any interruption."""
    # hashed, because the generator takes neighbouring seeds for neighbouring states
    state = np.random.SeedSequence([seed, epoch, index]).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(state[0]))


def collate(samples: Sequence[Sample], names: Sequence[str] | None = None) -> Batch:
    """A batch of samples.

    Args:
        samples: what `ImageDataset` gives.
        names: names of all images of the table, for the message.

    Raises:
        DataError: the images differ in size; the message names two of them.
    """
    first = samples[0]
    for image, _, index in samples:
        if image.shape != first[0].shape:
            a, b = (names[i] if names is not None else f"image {i}" for i in (first[2], index))
            raise _unequal(a, first[0].shape[1:], b, image.shape[1:])
    images, mos, indices = zip(*samples, strict=True)
    # default_collate stacks into shared memory where it runs in a worker
    return Batch(default_collate(list(images)), torch.tensor(mos, dtype=torch.float32), torch.tensor(indices))


def default_workers(num_workers: int | None) -> int:
    """Processes that decode images: `num_workers`, or by default one for each usable core, at most 8."""
    if num_workers is not None:
        return num_workers
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(usable, 8)


def make_loader(
    dataset: ImageDataset,
    batches: Sampler[list[SampleKey]],
    num_workers: int,
    *,
    pin_memory: bool = False,
    persistent: bool = True,
) -> DataLoader[Batch]:
    """Iterate over batches that `num_workers` processes decode ahead, at most two batches each.

    The batches are the same to the bit for any number of workers. A script that uses workers needs the usual
    ``if __name__ == "__main__":`` around its calls.

    Args:
        dataset: the images.
        batches: a sampler of this package; it is asked anew at the start of each iteration.
        num_workers: processes; 0 decodes in this one.
        pin_memory: put batches into page-locked memory, for faster copies to a GPU.
        persistent: keep the processes from one iteration to the next.

    Returns:
        A loader; iterating raises DataError where an image cannot be decoded, where images of a batch differ in size,
        and where a process died.
    """
    workers = min(num_workers, len(batches))  # type: ignore[arg-type]  # every sampler of ours has a length
    return _Loader(
        _FailuresAsValues(dataset),
        batch_sampler=batches,
        num_workers=workers,
        collate_fn=_Collate(dataset.table.names),
        pin_memory=pin_memory and torch.cuda.is_available(),
        worker_init_fn=_start_worker,
        multiprocessing_context=_process_context() if workers else None,
        persistent_workers=persistent and workers > 0,
        generator=torch.Generator(),  # else every iteration would draw from, and so disturb, the global stream
    )


class _Loader(DataLoader[Batch]):
    """A DataLoader that raises the failures that come out of it, and explains the death of a worker."""

    def __iter__(self) -> Iterator[Batch]:  # type: ignore[override]
        with _death_explained():
            source = super().__iter__()
        return self._checked(source)

    def _checked(self, source: Iterator[Batch | LinearityIQAError]) -> Iterator[Batch]:
        try:
            while True:
                with _death_explained():
                    item = next(source, None)
                if item is None:
                    return
                if isinstance(item, LinearityIQAError):
                    raise item
                yield item
        except LinearityIQAError:
            self._iterator = None
            raise
        finally:
            del source  # with it end the workers, though the traceback of a failure keeps this frame alive


class _FailuresAsValues(Dataset[Any]):
    """A dataset that returns its failures: an exception raised in a worker would reach the user as a traceback."""

    def __init__(self, dataset: ImageDataset) -> None:
        self.dataset = dataset

    def __getitem__(self, key: SampleKey) -> Sample | LinearityIQAError:
        try:
            return self.dataset[key]
        except LinearityIQAError as failure:
            return failure


class _Collate:
    """`collate`, with the first failure of the samples, or its own, as the value."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = names

    def __call__(self, samples: Sequence[Sample | LinearityIQAError]) -> Batch | LinearityIQAError:
        sound = []
        for sample in samples:
            if isinstance(sample, LinearityIQAError):
                return sample
            sound.append(sample)
        try:
            return collate(sound, self.names)
        except LinearityIQAError as failure:
            return failure


@contextlib.contextmanager
def _death_explained() -> Iterator[None]:
    try:
        yield
    except (RuntimeError, ConnectionError, EOFError) as cause:  # the last two: it died while handing a batch over
        if isinstance(cause, RuntimeError) and not str(cause).startswith("DataLoader worker"):
            raise
        raise DataError(
            "a process that decodes images died, most likely because memory or shared memory (/dev/shm) ran out. "
            "Lower --num_workers or --batch_size."
        ) from cause


def _process_context() -> BaseContext:
    """How workers are started.

    Not forked from this process: its threads (of torch, of a GPU's driver) may hold locks that no thread of the child
    would ever release. A fork server has no threads and imports torch once. Measured with 2 workers on 2 cores: 3.5 s
    before the first batch of the first loader and 0.1 s for each later one; spawn takes 3 to 5 s each time.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    multiprocessing.forkserver.ensure_running()  # it imports torch while this process builds the network
    return context


def _start_worker(_: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; the process that asked for the images decides
    torch.set_num_threads(1)  # the parallelism is in the number of workers
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Leave no worker behind a killed process: torch only watches a worker's direct parent, here the fork server."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _unequal(first: str, first_size: Sequence[int], second: str, second_size: Sequence[int]) -> DataError:
    (a_height, a_width), (b_height, b_width) = first_size, second_size
    return DataError(
        f"images of one batch must have one size, but {first} has {a_height} x {a_width} and {second} {b_height} x "
        f"{b_width} (height x width). Bring them to one with --resize, or use --batch_size 1."
    )
