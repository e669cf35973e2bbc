"""Images of a table as tensors."""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from linearityiqa.config import TransformConfig
from linearityiqa.data.databases.table import ImageTable
from linearityiqa.data.loading.augmentation import Augmentation
from linearityiqa.data.loading.pixelcache import PixelCache, cache_folder, open_cache
from linearityiqa.data.loading.pixels import Decoding, PixelSource, decoded
from linearityiqa.data.loading.samplers import SampleKey
from linearityiqa.errors import DataError
from linearityiqa.images import ImageTransform, image_size

Sample = tuple[Tensor, float, int]


class Batch(NamedTuple):
    """Images of one size with their MOS, as they leave the loader.

    Attributes:
        images: 8-bit RGB, uint8 (N, H, W, 3): four times fewer bytes than the network's input on their way between
            processes and to a GPU, where `evaluation.transfer` normalises them.
        mos: float32 (N,).
        indices: rows in the table, int64 (N,).
    """

    images: Tensor
    mos: Tensor
    indices: Tensor


class ImageDataset(Dataset[Sample]):
    """The images of a table, decoded when they are asked for, or read from a cache.

    Args:
        table: names and opinion scores.
        transform: what every image undergoes.
        augmentation: random changes after resizing, for training.
        seed: seed of the augmentation; an image's changes depend on it, the epoch and the row, and on nothing else.
        decoding: what is followed of what the files say.
        cached: the pixels of these images, and perhaps of others, under the same transform.
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

    def __len__(self) -> int:
        return len(self.table)

    def __getitem__(self, key: SampleKey) -> Sample:
        """The image in 8-bit RGB, uint8 (H, W, 3), its MOS and its row.

        Raises:
            DataError: the image cannot be decoded, or is smaller than the crop; the message names it.
        """
        epoch, index = key
        pixels = self._pixels(index)
        if self.augmentation is not None:
            try:
                image = self.augmentation(Image.fromarray(pixels), generator_for(self.seed, epoch, index))
            except DataError as cause:
                raise DataError(f"{self.table.path(index)}: {cause}") from cause
            pixels = np.array(image)
        return torch.from_numpy(pixels), float(self.table.mos[index]), index

    @property
    def names(self) -> tuple[str, ...]:
        """What messages call the images, by row."""
        return self.table.names

    @property
    def is_cached(self) -> bool:
        """Whether a cache holds the images."""
        return self.cached is not None

    @property
    def only_reads(self) -> bool:
        """Whether images are read and nothing else, which is too little work for processes."""
        return self.cached is not None and self.augmentation is None

    def sizes(self) -> list[tuple[int, int]]:
        """(height, width) of every image as the network sees it; where the files decide it, from cache or headers.

        Raises:
            UnreadableImageError: a header had to be read and could not; the message names the file.
        """
        fixed = self.augmentation.size if self.augmentation is not None else self.transform.fixed_size
        if fixed is not None:
            return [fixed] * len(self)
        if self.cached is not None:
            return [self.cached.size(name) for name in self.table.names]
        paths = (self.table.path(index) for index in range(len(self)))
        return [
            self.transform.output_size(image_size(path, exif_rotation=self.decoding.exif_rotation)) for path in paths
        ]

    def _pixels(self, index: int) -> NDArray[np.uint8]:
        """The image before augmentation, uint8 (H, W, 3)."""
        if self.cached is not None:
            return self.cached.pixels(self.table.names[index])
        return decoded(self.table.path(index), self.transform, self.decoding)


def open_images(
    table: ImageTable,
    config: TransformConfig,
    *,
    decoding: Decoding,
    cache: str,
    workers: int,
    progress: bool = False,
) -> partial[ImageDataset]:
    """What makes a data set of some of the images of a database; where a cache is asked for, it is made first.

    Args:
        table: the whole database, so that one cache serves all of its splits.
        config: what every image undergoes.
        decoding: what is followed of what the files say.
        cache: the option `--cache`: none, auto or a folder.
        workers: processes that decode.
        progress: show a progress bar on a terminal while the cache is made.

    Returns:
        `ImageDataset` with the transform and the cache filled in: it takes a table, `augmentation` and `seed`.

    Raises:
        UnreadableImageError: an image cannot be put into the cache; the message names it.
        DataError: the cache cannot be made.
    """
    transform = ImageTransform.of(config, table.common_size)
    folder = cache_folder(cache)
    cached = None
    if folder is not None:
        source = PixelSource(table, transform, decoding)
        cached = open_cache(source, folder, workers=workers, progress=progress)
    return partial(ImageDataset, transform=transform, decoding=decoding, cached=cached)


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
            raise _unequal(a, first[0].shape[:2], b, image.shape[:2])
    images, mos, indices = zip(*samples, strict=True)
    # stacked by numpy: torch would start threads of its own in each thread that stacks
    stacked = torch.from_numpy(np.stack([image.numpy() for image in images]))
    return Batch(stacked, torch.tensor(mos, dtype=torch.float32), torch.tensor(indices))


def _unequal(first: str, first_size: Sequence[int], second: str, second_size: Sequence[int]) -> DataError:
    (a_height, a_width), (b_height, b_width) = first_size, second_size
    return DataError(
        f"images of one batch must have one size, but {first} has {a_height} x {a_width} and {second} {b_height} x "
        f"{b_width} (height x width). Bring them to one with --resize (mode stretch), crop them with "
        "--augmentation, or train on batches of one image: "
        "--batch_size 1 --accumulation_steps 8 --exact_accumulation."
    )
