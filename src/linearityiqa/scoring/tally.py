"""How many photographs have a score, and how the scores lie, in one line."""

from array import array
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from linearityiqa.quality import QualityScale
from linearityiqa.scoring.results import ImageScore


class Tally:
    """Counts results as they pass by; takes 8 bytes for each.

    Attributes:
        total: number of results.
        scores: those of results that have one.
    """

    def __init__(self) -> None:
        self.total = 0
        self.scores: array[float] = array("d")

    @property
    def failed(self) -> int:
        """How many have no score."""
        return self.total - len(self.scores)

    def watch(self, results: Iterable[ImageScore]) -> Iterator[ImageScore]:
        """Yield results, and count them."""
        for result in results:
            self.total += 1
            if result.score is not None:
                self.scores.append(result.score)
            yield result

    def line(self, digits: int) -> str:
        """The summary in words: of several images how their scores lie, and how many have none."""
        parts = []
        if self.total > 1 and self.scores:
            tenth, median, ninetieth = quantiles(self.scores, digits)
            parts.append(
                f"{len(self.scores)} image{'s' * (len(self.scores) > 1)} scored: median {median}, "
                f"10th percentile {tenth}, 90th percentile {ninetieth}"
            )
        if self.failed:
            parts.append(f"{self.failed} of {self.total} images could not be scored")
        return "; ".join(parts)


def quantiles(scores: Sequence[float] | NDArray[np.float64], digits: int) -> list[str]:
    """Tenth percentile, median and ninetieth percentile of at least one score, as people read them."""
    return [f"{value:.{digits}f}" for value in np.percentile(scores, (10, 50, 90))]


def decimals(scale: QualityScale | None) -> int:
    """Digits after the point of a score that people read: two, or three on a scale as short as 0..1."""
    return 3 if scale is not None and scale.high - scale.low < 2 else 2
