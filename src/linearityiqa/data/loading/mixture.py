"""Training sets of several databases, whose scales need not agree, as one."""

from collections.abc import Sequence

import numpy as np
from torch.utils.data import Dataset

from linearityiqa.data.loading.dataset import ImageDataset, Sample
from linearityiqa.data.loading.samplers import SampleKey


class MixedDataset(Dataset[Sample]):
    """The images of several data sets, numbered through.

    Args:
        names: what the databases are called, for messages.
        parts: their images, in the same order.
    """

    def __init__(self, names: Sequence[str], parts: Sequence[ImageDataset]) -> None:
        self.parts = tuple(parts)
        self.lengths = tuple(len(part) for part in self.parts)
        self.names = tuple(
            f"{home}:{name}" for home, part in zip(names, self.parts, strict=True) for name in part.names
        )
        self._ends = np.cumsum(self.lengths)

    def __len__(self) -> int:
        return sum(self.lengths)

    def __getitem__(self, key: SampleKey) -> Sample:
        """The image, uint8 (H, W, 3), its MOS on its own database's scale and its number.

        Raises:
            DataError: as that of the data set it comes from.
        """
        home = int(np.searchsorted(self._ends, key.index, side="right"))
        first = int(self._ends[home]) - self.lengths[home]
        pixels, mos, _ = self.parts[home][SampleKey(key.epoch, key.index - first)]
        return pixels, mos, key.index

    @property
    def is_cached(self) -> bool:
        """Whether caches hold the images of all databases."""
        return all(part.is_cached for part in self.parts)

    @property
    def only_reads(self) -> bool:
        """Whether images are read from caches and nothing else."""
        return all(part.only_reads for part in self.parts)
