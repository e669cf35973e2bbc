"""Group photographs of one moment; the best of a group has the highest score."""

import logging
import tempfile
from array import array
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from linearityiqa.data.checks import neardup
from linearityiqa.extras import require
from linearityiqa.files import writing
from linearityiqa.scoring.pictures import Look
from linearityiqa.scoring.results import ImageScore

logger = logging.getLogger(__name__)

_UNDATED = -1e12
"""Time of photographs without one: of one moment with each other, and with no other."""


class Place(NamedTuple):
    """Place of a photograph in its group."""

    group: int
    """Number of the group, from 1, in the order of their first photographs."""
    rank: int
    """1 for the best."""
    size: int
    """Number of photographs of the group."""
    lead: float | None
    """By how much it scores above the next; None for the last."""
    clear: bool | None
    """Whether `lead` is larger than the spread of both scores over views; None where that is unknown."""


class Bursts:
    """Photographs gathered to be grouped, with their small pictures in an unnamed file, so that memory stays small.

    Raises:
        MissingExtraError: scipy is not installed (extra metrics).
    """

    def __init__(self) -> None:
        require("scipy.fft", "metrics")
        self._paths: dict[str, None] = {}
        self._numbers: array[float] = array("d")  # score, spread over views and time of each, in turn
        self._pictures = tempfile.TemporaryFile()  # noqa: SIM115 - close() closes it

    def close(self) -> None:
        """Remove what was gathered."""
        self._pictures.close()

    def add(self, result: ImageScore, look: Look | None) -> None:
        """Gather a photograph, if it has a score; without a look it becomes a group of one."""
        if result.score is None or result.path in self._paths:
            return
        picture, taken = look or Look(bytes(neardup.SIDE**2), None)  # black is like nothing
        with writing("the small pictures that bursts are found by"):
            self._pictures.write(picture)
        self._paths[result.path] = None
        spread = np.nan if result.uncertainty is None else result.uncertainty
        self._numbers.extend((result.score, spread, _UNDATED if taken is None else taken))

    def places(self, *, quiet: bool = True) -> dict[str, Place]:
        """Group near-duplicates of one moment by their EXIF times; those without a time by likeness alone."""
        count = len(self._paths)
        if not count:
            return {}
        self._pictures.flush()
        pictures = np.memmap(self._pictures, dtype=np.uint8, mode="r", shape=(count, neardup.SIDE, neardup.SIDE))
        scores, spreads, times = np.array(self._numbers).reshape(-1, 3).T
        found = neardup.find_near_duplicates(pictures, np.arange(count), times=times, quiet=quiet)
        if found.cut:
            logger.warning(
                "too many similar photographs to compare all pairs: some bursts may be split into several groups"
            )
        members: dict[int, list[int]] = {}
        for number, group in enumerate(neardup.components(count, [link[:2] for link in found.links]).tolist()):
            members.setdefault(group, []).append(number)
        paths, places = list(self._paths), {}
        for group, numbers in enumerate(members.values(), start=1):
            numbers.sort(key=lambda number: -scores[number])
            leads = [(float(scores[i] - scores[j]), float(max(spreads[i], spreads[j]))) for i, j in pairwise(numbers)]
            for rank, (number, (lead, spread)) in enumerate(zip(numbers, [*leads, (np.nan, np.nan)], strict=True), 1):
                clear = None if np.isnan(spread) else lead > spread
                places[paths[number]] = Place(group, rank, len(numbers), None if np.isnan(lead) else lead, clear)
        return places
