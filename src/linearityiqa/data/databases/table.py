"""Tables of images with opinion scores, and databases: a table with a scale and splits."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from linearityiqa.config import SplitName
from linearityiqa.data.databases.splits import split_names
from linearityiqa.errors import DataError
from linearityiqa.quality import QualityScale

MIN_IMAGES = 2
"""Fewest images of a split: a correlation, a fitted line and a normalised batch need two."""


@dataclass(frozen=True, eq=False)
class ImageTable:
    """Images and their opinion scores, one row each.

    Attributes:
        names: paths of the image files relative to `root`, in the labels' order.
        mos: mean opinion scores, shape (N,), higher is better.
        root: folder that the names are relative to.
        mos_std: standard deviation of the opinions on the scale of `mos`, shape (N,), or None where not published.
        references: the original of each image, or None; images of one reference belong to one split.
        common_size: (height, width) that every image is resized to before any other transform, or None.
    """

    names: tuple[str, ...]
    mos: NDArray[np.float64]
    root: Path
    mos_std: NDArray[np.float64] | None = None
    references: tuple[str, ...] | None = None
    common_size: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        columns = {"mos": self.mos, "mos_std": self.mos_std, "references": self.references}
        for column, values in columns.items():
            if values is not None and len(values) != len(self.names):
                raise DataError(f"a table of {len(self.names)} image names has {len(values)} values of {column}")

    def __len__(self) -> int:
        return len(self.names)

    def path(self, index: int) -> Path:
        """Return the image file of a row."""
        return self.root / self.names[index]

    def paths(self) -> Iterator[Path]:
        """Iterate over the image files of all rows."""
        return (self.root / name for name in self.names)

    def subset(self, indices: ArrayLike) -> "ImageTable":
        """Return the rows `indices` (integers), in the order given."""
        rows = np.asarray(indices, dtype=np.int64)
        return replace(
            self,
            names=tuple(self.names[i] for i in rows),
            mos=self.mos[rows],
            mos_std=None if self.mos_std is None else self.mos_std[rows],
            references=None if self.references is None else tuple(self.references[i] for i in rows),
        )

    def head(self, count: int) -> "ImageTable":
        """Return the first `count` rows, or all where there are fewer."""
        return self.subset(np.arange(min(count, len(self))))


@dataclass(frozen=True, eq=False)
class Database:
    """A table of images with the scale of its scores and its split into training, validation and test set.

    Attributes:
        name: name shown to the user and kept in the record of a model.
        table: every image, in the labels' order.
        scale: range and direction of the scores.
        splits: rows of the table under ``"train"``, ``"val"`` and ``"test"``; ascending, disjoint, possibly empty.
        opinions: whether people gave the scores; else `linearityiqa datasets make` computed them.
    """

    name: str
    table: ImageTable
    scale: QualityScale
    splits: Mapping[str, NDArray[np.int64]]
    opinions: bool = True

    @property
    def digest(self) -> str:
        """Digest of the images and their splits, independent of their order: 32 hexadecimal digits."""
        parts = split_names(self.splits, len(self.table))
        rows = sorted(f"{name}\0{part}" for name, part in zip(self.table.names, parts, strict=True))
        return hashlib.sha256("\n".join(rows).encode("utf-8", "surrogatepass")).hexdigest()[:32]

    def split(self, name: SplitName) -> ImageTable:
        """Return the images of one split, in the labels' order; ``"all"`` is the whole table.

        Raises:
            DataError: the split has fewer than 2 images.
        """
        rows = np.arange(len(self.table)) if name == "all" else self.splits[name]
        if len(rows) < MIN_IMAGES:
            sizes = ", ".join(f"{key} {len(indices)}" for key, indices in self.splits.items())
            raise DataError(
                f"the {name} split of {self.name} has {len(rows)} image{'s' if len(rows) != 1 else ''}, at least "
                f"{MIN_IMAGES} are needed (images: {sizes}). Change the split column, or --train_ratio and "
                "--train_and_val_ratio, or choose another split."
            )
        return self.table.subset(rows)
