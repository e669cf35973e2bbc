"""Images that are the same: as files, in their pixels, or to the eye; across splits a leak."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import ImageChops

from linearityiqa.data.checks.findings import Finding
from linearityiqa.data.checks.images import ImageCheck
from linearityiqa.data.checks.neardup import Groups, Link
from linearityiqa.errors import UnreadableImageError
from linearityiqa.images import decode

NAMED = 8
"""Most images of a group that a message names."""
EQUAL = 0.999
"""Similarity from which on two images of one size are compared pixel by pixel."""


@dataclass(frozen=True)
class Rows:
    """What the labels say of each image, by its name.

    Attributes:
        mos: its score.
        split: its split; empty where the labels have no split.
        where: its place in the label file.
    """

    mos: Mapping[str, float]
    split: Mapping[str, str]

    def named(self, names: Sequence[str]) -> str:
        """The images with their splits, for messages."""
        shown = [f"{name} ({self.split[name]})" if name in self.split else name for name in names[:NAMED]]
        return ", ".join(shown) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")

    def leak(self, names: Sequence[str]) -> bool:
        """Whether the images are in more than one split."""
        return len({self.split[name] for name in names if name in self.split}) > 1

    @property
    def are_split(self) -> bool:
        """Whether any image is in a split."""
        return bool(self.split)


def same_files(glances: Sequence[ImageCheck]) -> list[list[int]]:
    """Numbers of images whose files are equal, a list for each group of two or more; unreadable ones are left out."""
    groups: dict[str, list[int]] = {}
    for number, glance in enumerate(glances):
        if glance.digest:
            groups.setdefault(glance.digest, []).append(number)
    return [group for group in groups.values() if len(group) > 1]


def check_same_files(names: Sequence[str], rows: Rows) -> Iterator[Finding]:
    """Findings about one group of identical files."""
    yield Finding("identical-files", f"the same file: {rows.named(names)}.", tuple(names), leak=rows.leak(names))
    yield from _conflict(names, rows)


def check_near_duplicates(
    glances: Sequence[ImageCheck], copies: Mapping[int, Sequence[int]], links: Sequence[Link], folder: Path, rows: Rows
) -> Iterator[Finding]:
    """Findings about the groups that links between pictures make.

    Args:
        glances: what was seen of each image.
        copies: for an image that stands for several identical files, the numbers of all of them.
        links: pairs of pictures that show the same.
        folder: where the images are.
        rows: what the labels say.
    """
    groups = Groups(len(glances))
    for link in links:
        groups.join(link.first, link.second)
    by_group: dict[int, list[Link]] = {}
    for link in links:
        by_group.setdefault(groups.root(link.first), []).append(link)
    for group in groups.members():
        names = [glances[copy].name for number in group for copy in copies.get(number, (number,))]
        inside = by_group[groups.root(group[0])]
        equal = [_same_pixels(glances[link.first], glances[link.second], link, folder) for link in inside]
        leak = rows.leak(names)
        if all(equal):
            yield Finding("identical-pixels", f"the same pixels: {rows.named(names)}.", tuple(names), leak=leak)
            yield from _conflict(names, rows)
            continue
        # without a split of its own a database is split at random, by references where they are known
        wrong = leak or not rows.are_split
        advice = "" if rows.are_split else " Give them one reference, so that no random split parts them."
        message = f"the same picture: {rows.named(names)}; {_alike(inside, equal)}.{advice}"
        yield Finding("near-duplicates", message, tuple(names), "error" if wrong else "remark", leak)


def stand_ins(count: int, groups: Sequence[Sequence[int]]) -> tuple[NDArray[np.int64], dict[int, Sequence[int]]]:
    """One number for each group of identical files and each other image, and the group that each stands for."""
    copies = {group[0]: group for group in groups}
    left_out = [number for group in groups for number in group[1:]]
    return np.setdiff1d(np.arange(count), left_out), copies


def _same_pixels(first: ImageCheck, second: ImageCheck, link: Link, folder: Path) -> bool:
    if link.mirrored or link.similarity < EQUAL or first.size != second.size:
        return False
    try:
        pixels = [decode(folder / glance.name).image for glance in (first, second)]
    except UnreadableImageError:  # the file has changed meanwhile
        return False
    return ImageChops.difference(*pixels).getbbox() is None


def _alike(links: Sequence[Link], equal: Sequence[bool]) -> str:
    """How alike the pictures of a group are, in words."""
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
