"""How the images of a database reach the network: what every one undergoes, and whether a cache holds the result."""

from dataclasses import dataclass

from linearityiqa.config import TransformConfig
from linearityiqa.data.augmentation import Augmentation
from linearityiqa.data.dataset import ImageDataset
from linearityiqa.data.pixelcache import Decoding, Heed, PixelCache, PixelSource, cache_folder, open_cache
from linearityiqa.data.table import ImageTable
from linearityiqa.images import ImageTransform


@dataclass(frozen=True)
class DatabaseImages:
    """The images of a whole database under one transform; data sets of its splits are made from it.

    Attributes:
        transform: what every image undergoes.
        decoding: what is heeded of what the files say.
        cache: the decoded images, or None where each is decoded whenever it is asked for.
    """

    transform: ImageTransform
    decoding: Decoding
    cache: PixelCache | None = None

    def dataset(self, table: ImageTable, augmentation: Augmentation | None = None, seed: int = 0) -> ImageDataset:
        """The images of a table, all of them in the database.

        Args:
            table: names and scores, e.g. of a split.
            augmentation: random changes, for training.
            seed: seed of the augmentation.
        """
        return ImageDataset(
            table,
            self.transform,
            augmentation=augmentation,
            seed=seed,
            decoding=self.decoding,
            cached=None if self.cache is None else self.cache.of(table),
        )


def open_images(
    table: ImageTable,
    config: TransformConfig,
    *,
    decoding: Decoding,
    cache: str,
    workers: int,
    progress: bool = False,
    heed: Heed = lambda: None,
) -> DatabaseImages:
    """The images of a database; where a cache is asked for, it is made first unless it is there.

    Args:
        table: the whole database, so that one cache serves all of its splits.
        config: what every image undergoes.
        decoding: what is heeded of what the files say.
        cache: the option `--cache`: none, auto or a folder.
        workers: processes that decode.
        progress: show a progress bar on a terminal while the cache is made.
        heed: called again and again meanwhile; what it raises ends the work, which a later call goes on with.

    Raises:
        UnreadableImageError: an image cannot be put into the cache; the message names it.
        DataError: the cache cannot be made.
    """
    transform = ImageTransform.of(config, table.common_size)
    folder = cache_folder(cache)
    if folder is None:
        return DatabaseImages(transform, decoding)
    source = PixelSource(table, transform, decoding)
    found = open_cache(source, folder, workers=workers, progress=progress, heed=heed)
    return DatabaseImages(transform, decoding, found)
