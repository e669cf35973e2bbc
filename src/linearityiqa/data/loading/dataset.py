"""Images as tensors: of one table, or of the tables of several databases."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from linearityiqa.config import TransformConfig
from linearityiqa.data.databases.table import ImageTable
from linearityiqa.data.loading.augmentation import Augmentation
from linearityiqa.data.loading.pixelcache import (
    Decoding,
    PixelCache,
    PixelSource,
    cache_folder,
    decoded,
    open_cache,
    sizes_by_header,
)
from linearityiqa.data.loading.samplers import SampleKey
from linearityiqa.data.synthetic.distortions import degraded
from linearityiqa.errors import DataError
from linearityiqa.images import ImageTransform

Sample = tuple[Tensor, float, int]


class Batch(NamedTuple):
    """Images of one size with their MOS, as they leave the loader."""

    images: Tensor
    """RGB, uint8 (N, H, W, 3): a quarter of the bytes of the network's input, made of it by `evaluation.prefetch`."""
    mos: Tensor
    """float32 (N,)."""
    indices: Tensor
    """Rows in the table, int64 (N,)."""


class ImageDataset(Dataset[Sample]):
    """The images of a table, decoded when they are asked for, or read from a cache of them under the same transform.

    The augmentation after it depends on `seed`, the epoch and the row alone.
    """

    def __init__(
        self,
        table: ImageTable,
        transform: ImageTransform,
        *,
        augmentation: Augmentation | None = None,
        seed: int = 0,
        decoding: Decoding = Decoding(),  # noqa: B008 - immutable
        cached: PixelCache | None = None,
    ) -> None:
        self.table = table
        self.transform = transform
        self.augmentation = augmentation
        self.seed = seed
        self.decoding = decoding
        self.cached = cached
        self.names = table.names
        self.is_cached = cached is not None
        self.only_reads = self.is_cached and augmentation is None
        """Images are read from a cache and nothing else, which is too little work for processes."""

    def __len__(self) -> int:
        return len(self.table)

    def __getitem__(self, key: SampleKey) -> Sample:
        """Return the image, or its degraded version of the key's level, uint8 (H, W, 3), its MOS and its row."""
        epoch, index, level = key
        if self.cached is not None:
            pixels = self.cached.pixels(self.names[index])
        else:
            pixels = decoded(self.table.path(index), self.transform, self.decoding)
        if self.augmentation is not None:
            with self._named(index):
                image = self.augmentation(Image.fromarray(pixels), generator_for(self.seed, epoch, index))
            pixels = np.array(image)
        if level > 0:
            pixels = np.array(degraded(pixels, level, np.random.default_rng([self.seed, epoch, index])))
        return torch.from_numpy(pixels), float(self.table.mos[index]), index

    def sizes(self) -> list[tuple[int, int]]:
        """Return the (height, width) of every image as the network sees it, from cache or header where files differ."""
        fixed = self.augmentation.size if self.augmentation is not None else self.transform.fixed_size
        return list(self._sizes_before_crop()) if fixed is None else [fixed] * len(self)

    def check(self) -> None:
        """Check every image by its header, or its size in the cache, before hours of training depend on it."""
        for index, size in enumerate(self._sizes_before_crop()):
            if self.augmentation is not None:
                with self._named(index):
                    self.augmentation.check(*size)

    def _sizes_before_crop(self) -> Iterator[tuple[int, int]]:
        if self.cached is not None:
            return map(self.cached.size, self.names)
        return sizes_by_header(self.table.paths(), self.transform, self.decoding)

    @contextmanager
    def _named(self, index: int) -> Iterator[None]:
        """Have a DataError of the block begin with the image's path."""
        try:
            yield
        except DataError as cause:
            raise DataError(f"{self.table.path(index)}: {cause}") from cause


class MixedDataset(Dataset[Sample]):
    """The images of several named data sets, whose scales need not agree, numbered through."""

    def __init__(self, names: Sequence[str], parts: Sequence[ImageDataset]) -> None:
        self.parts = tuple(parts)
        self.lengths = tuple(map(len, self.parts))
        self.names = tuple(
            f"{home}:{name}" for home, part in zip(names, self.parts, strict=True) for name in part.names
        )
        self.is_cached = all(part.is_cached for part in self.parts)
        self.only_reads = all(part.only_reads for part in self.parts)
        self._ends = np.cumsum(self.lengths)

    def __len__(self) -> int:
        return sum(self.lengths)

    def __getitem__(self, key: SampleKey) -> Sample:
        """Return a sample of `ImageDataset`; the MOS is on the scale of its own database, the row counts all images."""
        home = int(np.searchsorted(self._ends, key.index, side="right"))
        first = int(self._ends[home]) - self.lengths[home]
        pixels, mos, _ = self.parts[home][key._replace(index=key.index - first)]
        return pixels, mos, key.index


def open_images(
    table: ImageTable,
    config: TransformConfig,
    *,
    decoding: Decoding,
    cache: str,
    workers: int,
    progress: bool = False,
) -> partial[ImageDataset]:
    """Return `ImageDataset` with transform, decoding and cache filled in; it takes a table, `augmentation` and `seed`.

    `table` is the whole database, so that one cache, which is made first, serves all of its splits.
    """
    transform = ImageTransform.of(config, table.common_size)
    folder, cached = cache_folder(cache), None
    if folder is not None:
        cached = open_cache(PixelSource(table, transform, decoding), folder, workers=workers, progress=progress)
    return partial(ImageDataset, transform=transform, decoding=decoding, cached=cached)


def require_equal_sizes(dataset: ImageDataset) -> None:
    """Check before training that the images can share batches."""
    sizes = dataset.sizes()
    for name, size in zip(dataset.names, sizes, strict=True):
        if size != sizes[0]:
            raise _unequal(dataset.names[0], sizes[0], name, size)


def generator_for(seed: int, epoch: int, index: int) -> torch.Generator:
    """Return the random stream of one image in one epoch, the same in any process and after any interruption."""
    # hashed, because the generator takes neighbouring seeds for neighbouring states
    state = np.random.SeedSequence([seed, epoch, index]).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(state[0]))


def collate(samples: Sequence[Sample], names: Sequence[str]) -> Batch:
    """Return a batch of samples of `ImageDataset`."""
    first, _, first_index = samples[0]
    for image, _, index in samples:
        if image.shape != first.shape:
            raise _unequal(names[first_index], first.shape[:2], names[index], image.shape[:2])
    images, mos, indices = zip(*samples, strict=True)
    # stacked by numpy: torch would start more threads in each thread that stacks
    stacked = torch.from_numpy(np.stack([image.numpy() for image in images]))
    return Batch(stacked, torch.tensor(mos, dtype=torch.float32), torch.tensor(indices))


def _unequal(first: str, first_size: Sequence[int], second: str, second_size: Sequence[int]) -> DataError:
    a, b = (f"{height} x {width}" for height, width in (first_size, second_size))
    return DataError(
        f"images of one batch must have one size, but {first} has {a} and {second} {b} (height x width). Bring them to "
        "one with --resize (mode stretch), crop them with --augmentation, or train on batches of one image: "
        "--batch_size 1 --accumulation_steps 8 --exact_accumulation."
    )
