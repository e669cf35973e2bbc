"""Scenes: images that show the same picture, or that were made from one reference."""

import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from linearityiqa.console import track
from linearityiqa.data.checks.duplicates import same_files, stand_ins
from linearityiqa.data.checks.images import ImageCheck
from linearityiqa.data.checks.neardup import SIDE, Groups, find_near_duplicates
from linearityiqa.errors import DataError


@dataclass(frozen=True, eq=False)
class Scenes:
    """The scenes of a database.

    Attributes:
        codes: number of the scene of each image, shape (N,).
        references: the first image (or its reference) of the same scene, on the same side of the test set's border.
        test: whether each image is in the test set, shape (N,).
        cut: whether there were too many alike images to compare all pairs.
    """

    codes: NDArray[np.int64]
    references: tuple[str, ...]
    test: NDArray[np.bool_]
    cut: bool

    @property
    def shared(self) -> NDArray[np.bool_]:
        """Whether each image is of a scene with images on both sides of the test set's border, shape (N,)."""
        return np.isin(self.codes, np.intersect1d(self.codes[self.test], self.codes[~self.test]))

    def summary(self) -> dict[str, int]:
        """Scenes of several images, images in them, test images of a scene that others show, and these others."""
        sizes = np.unique(self.codes, return_counts=True)[1]
        return {
            "groups": int((sizes > 1).sum()),
            "images": int(sizes[sizes > 1].sum()),
            "test_images": int((self.shared & self.test).sum()),
            "barred": int((self.shared & ~self.test).sum()),
        }


def find_scenes(
    looks: Iterable[ImageCheck],
    references: Sequence[str] | None = None,
    test: NDArray[np.int64] | None = None,
    *,
    quiet: bool = True,
) -> Scenes:
    """Group images by what they show: near-duplicates, identical files and images of one reference belong together.

    Args:
        looks: a look at each image, in order.
        references: the reference of each image, where that is known.
        test: rows of a test set that stays as it is, so that a scene may have images on both sides of its border.
        quiet: show no progress bar.

    Raises:
        DataError: an image cannot be decoded; the message names it.
    """

    def watch(parts: Iterable[int], description: str, total: int) -> Iterable[int]:
        return track(parts, description, total=total, enabled=not quiet)

    with tempfile.TemporaryFile() as file:  # pictures of millions of images need no memory
        seen = []
        for look in looks:
            if look.error:
                raise DataError(f"its scene cannot be found: {look.error}")
            file.write(look.picture)
            seen.append(replace(look, picture=b""))
        file.flush()
        count = len(seen)
        groups = Groups(count)
        firsts: dict[str, int] = {}
        for row, reference in enumerate(references or ()):
            groups.join(firsts.setdefault(reference, row), row)
        copies = same_files(seen)
        for group in copies:
            for row in group[1:]:
                groups.join(group[0], row)
        numbers, _ = stand_ins(count, copies)
        pictures = np.memmap(file, dtype=np.uint8, mode="r", shape=(count, SIDE, SIDE))
        found = find_near_duplicates(pictures, _roots(groups, count), numbers, watch)
    for link in found.links:
        groups.join(link.first, link.second)
    codes = _roots(groups, count)
    held = np.zeros(count, dtype=bool)
    if test is not None:
        held[test] = True
    first: dict[tuple[int, bool], int] = {}
    rows = [first.setdefault(side, row) for row, side in enumerate(zip(codes.tolist(), held.tolist(), strict=True))]
    words = [look.name for look in seen] if references is None else references
    return Scenes(codes, tuple(words[row] for row in rows), held, found.cut)


def _roots(groups: Groups, count: int) -> NDArray[np.int64]:
    return np.array([groups.root(number) for number in range(count)])
