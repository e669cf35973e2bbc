"""Images that are the same: as files, in their pixels, or to the eye; across splits a leak.

A scene holds the images that show the same picture or were made from one reference.
"""

import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import ImageChops

from linearityiqa.data.checks.findings import Finding
from linearityiqa.data.checks.images import ImageCheck, keep_pictures
from linearityiqa.data.checks.neardup import Link, components, find_near_duplicates
from linearityiqa.errors import DataError, UnreadableImageError
from linearityiqa.images import decode

NAMED = 8
"""Most images of a group that a message names."""
EQUAL = 0.999
"""Similarity from which on two images of one size are compared pixel by pixel."""


@dataclass(frozen=True)
class Rows:
    """MOS and split of each image, by its name; no splits where the labels have none."""

    mos: Mapping[str, float]
    split: Mapping[str, str]

    def named(self, names: Sequence[str]) -> str:
        """Return the images with their splits, for messages."""
        shown = [f"{name} ({self.split[name]})" if name in self.split else name for name in names[:NAMED]]
        return ", ".join(shown) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")

    def leak(self, names: Sequence[str]) -> bool:
        """Return whether the images are in more than one split."""
        return len({self.split[name] for name in names if name in self.split}) > 1


def same_files(checks: Sequence[ImageCheck]) -> list[list[int]]:
    """Return the numbers of readable images with equal files, a list for each group of two or more."""
    groups: dict[str, list[int]] = {}
    for number, check in enumerate(checks):
        if check.digest:
            groups.setdefault(check.digest, []).append(number)
    return [group for group in groups.values() if len(group) > 1]


def check_same_files(names: Sequence[str], rows: Rows) -> Iterator[Finding]:
    """Yield findings about one group of identical files."""
    yield Finding("identical-files", f"the same file: {rows.named(names)}.", tuple(names), leak=rows.leak(names))
    yield from _conflict(names, rows)


def check_near_duplicates(
    checks: Sequence[ImageCheck],
    copies: Mapping[int, Sequence[int]],
    links: Sequence[Link],
    folder: Path,
    rows: Rows,
) -> Iterator[Finding]:
    """Yield findings about the groups of pictures that links join.

    `copies` has the numbers of all identical files that an image represents.
    """
    codes = components(len(checks), [(link.first, link.second) for link in links])
    by_group: dict[int, list[Link]] = {}
    for link in links:
        by_group.setdefault(int(codes[link.first]), []).append(link)
    for _, inside in sorted(by_group.items()):
        members = sorted({number for link in inside for number in (link.first, link.second)})
        names = [checks[copy].name for number in members for copy in copies.get(number, (number,))]
        equal = [_same_pixels(checks[link.first], checks[link.second], link, folder) for link in inside]
        leak = rows.leak(names)
        if all(equal):
            yield Finding("identical-pixels", f"the same pixels: {rows.named(names)}.", tuple(names), leak=leak)
            yield from _conflict(names, rows)
            continue
        # without a given split a database is split at random, by references where they are known
        wrong = leak or not rows.split
        advice = "" if rows.split else " Give them one reference, so that no random split parts them."
        message = f"the same picture: {rows.named(names)}; {_format_similarity(inside, equal)}.{advice}"
        yield Finding("near-duplicates", message, tuple(names), "error" if wrong else "remark", leak)


def stand_ins(count: int, groups: Sequence[Sequence[int]]) -> tuple[NDArray[np.int64], dict[int, Sequence[int]]]:
    """Return one number for each group of identical files and each other image, and the group that each represents."""
    copies = {group[0]: group for group in groups}
    left_out = [number for group in groups for number in group[1:]]
    return np.setdiff1d(np.arange(count), left_out), copies


def _same_pixels(first: ImageCheck, second: ImageCheck, link: Link, folder: Path) -> bool:
    if link.mirrored or link.similarity < EQUAL or first.size != second.size:
        return False
    try:
        pixels = [decode(folder / check.name).image for check in (first, second)]
    except UnreadableImageError:  # the file has changed meanwhile
        return False
    return ImageChops.difference(*pixels).getbbox() is None


def _format_similarity(links: Sequence[Link], equal: Sequence[bool]) -> str:
    """Return the similarity of the pictures of a group as text."""
    values = [link.similarity for link in links]
    low, high = min(values), max(values)
    span = f"{low:.2f}" if f"{low:.2f}" == f"{high:.2f}" else f"{low:.2f} to {high:.2f}"
    mirrored = sum(link.mirrored for link in links)
    notes = [f"similarity {span}"]
    if mirrored:
        notes.append("mirrored" if len(links) == 1 else f"{mirrored} mirrored")
    if any(equal):
        notes.append("some with identical pixels")
    return ", ".join(notes)


def _conflict(names: Sequence[str], rows: Rows) -> Iterator[Finding]:
    scores = sorted({rows.mos[name] for name in names if np.isfinite(rows.mos[name])})
    if len(scores) > 1:
        values = ", ".join(f"{score:g}" for score in scores[:NAMED])
        yield Finding("conflict", f"scores {values} for the same image: {rows.named(names)}.", tuple(names))


@dataclass(frozen=True, eq=False)
class Scenes:
    """The scenes of a database.

    Attributes:
        codes: number of the scene of each image, shape (N,).
        references: the first image (or its reference) of the same scene, on the same side of the test set's border.
        test: whether each image is in the test set, shape (N,).
        cut: whether there were too many similar images to compare all pairs.
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
        """Count scenes of several images, images in them, test images of a scene that others show, and these others."""
        sizes = np.unique(self.codes, return_counts=True)[1]
        return {
            "groups": int((sizes > 1).sum()),
            "images": int(sizes[sizes > 1].sum()),
            "test_images": int((self.shared & self.test).sum()),
            "barred": int((self.shared & ~self.test).sum()),
        }


def find_scenes(
    checks: Iterable[ImageCheck],
    references: Sequence[str] | None = None,
    test: NDArray[np.int64] | None = None,
    *,
    quiet: bool = True,
) -> Scenes:
    """Group images by what they show: near-duplicates, identical files and images of one reference belong together.

    Args:
        checks: the properties of each image, in order.
        references: the reference of each image, where that is known.
        test: rows of a test set that stays as it is, so that a scene may have images on both sides of its border.
        quiet: show no progress bar.

    Raises:
        DataError: an image cannot be decoded.
    """
    with tempfile.TemporaryFile() as file:
        seen, pictures = keep_pictures(map(_decoded, checks), file)
        copies = same_files(seen)
        firsts: dict[str, int] = {}
        pairs = [(firsts.setdefault(reference, row), row) for row, reference in enumerate(references or ())]
        pairs += [(group[0], row) for group in copies for row in group[1:]]
        numbers, _ = stand_ins(len(seen), copies)
        found = find_near_duplicates(pictures, components(len(seen), pairs), numbers, quiet=quiet)
    codes = components(len(seen), pairs + [(link.first, link.second) for link in found.links])
    in_test = np.zeros(len(seen), dtype=bool)
    if test is not None:
        in_test[test] = True
    first: dict[tuple[int, bool], int] = {}
    rows = [first.setdefault(side, row) for row, side in enumerate(zip(codes.tolist(), in_test.tolist(), strict=True))]
    names = [check.name for check in seen] if references is None else references
    return Scenes(codes, tuple(names[row] for row in rows), in_test, found.cut)


def _decoded(check: ImageCheck) -> ImageCheck:
    if check.error:
        raise DataError(f"its scene cannot be found: {check.error}")
    return check
