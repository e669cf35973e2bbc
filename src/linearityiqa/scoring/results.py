"""Results of scoring: rows of every format, tables of notebooks, pictures of maps, summaries."""

import base64
import hashlib
import statistics
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from linearityiqa.extras import require
from linearityiqa.files import write_bytes, writing
from linearityiqa.images.thumbnails import Thumbnail
from linearityiqa.quality import QualityScale
from linearityiqa.scoring.pictures import Look, QualityMap

if TYPE_CHECKING:
    import pandas as pd

MOST_SHOWN = 60
"""Rows that a notebook shows; of more images the first and the last."""


class Details(NamedTuple):
    """Details to compute in addition to the scores, which take more time.

    Attributes:
        uncertainty: the spread of the score over views of the image.
        maps: where in the image quality is lost.
        thumbnails: a small picture of the image.
        quality: a column with the score in a word, which takes no time; outputs of version 1.0.0 have none.
        bursts: what bursts are found by, and columns for the group of each image and whether it is the best of it.
    """

    uncertainty: bool = False
    maps: bool = False
    thumbnails: bool = False
    quality: bool = True
    bursts: bool = False


PLAIN = Details()
"""The scores alone."""


@dataclass(frozen=True)
class ImageScore:
    """The scores of one image, or the reason why it has none.

    Attributes:
        path: the image, as it was named.
        score: predicted quality on the scale of the model's database, never clipped; None where it failed.
        stage3: the score of the shallower head alone, on the same scale.
        stage4: the score of the deeper head alone, on the same scale.
        uncertainty: standard deviation of `score` over views of the image, on the same
            scale; None where it was not asked for.
        on_scale: whether `score` lies on the scale of the model's database; None where that scale is unknown.
        notes: what was done to decode the image, e.g. ``"EXIF orientation applied"``.
        error: why there is no score, or None.
        map_file: where the picture of the quality map was written, or None.
        quality_map: where in the image quality is lost; None where it was not asked for.
        thumbnail: a small picture of the image; None where it was not asked for or the image cannot be decoded.
        quality: the score in a word, bad to excellent; None where the scale is unknown or no opinions were learned.
        look: what bursts are found by; None where it was not asked for.
        group: number of the photographs of one moment that it is one of, or None where they were not asked for.
        best: whether it has the highest score of its group.

    >>> ImageScore("a.jpg", error="a.jpg is empty").failed
    True
    """

    path: str
    score: float | None = None
    stage3: float | None = None
    stage4: float | None = None
    uncertainty: float | None = None
    on_scale: bool | None = None
    notes: tuple[str, ...] = ()
    error: str | None = None
    map_file: str | None = None
    quality_map: QualityMap | None = field(default=None, compare=False, repr=False)
    thumbnail: Thumbnail | None = field(default=None, compare=False, repr=False)
    quality: str | None = None
    look: Look | None = field(default=None, compare=False, repr=False)
    group: int | None = None
    best: bool | None = None

    @property
    def failed(self) -> bool:
        """Whether there is no score."""
        return self.error is not None

    def as_dict(self, details: Details = PLAIN) -> dict[str, Any]:
        """Return the columns by name, in order, as plain values that JSON can hold."""
        return {name: getattr(self, name) for name in columns(details)} | {"notes": list(self.notes)}

    def _repr_html_(self) -> str:
        return ImageScores([self])._repr_html_()


class ImageScores(list[ImageScore]):
    """The scores of several images, in order; a notebook shows them as a table.

    >>> ImageScores([ImageScore("a.jpg", 61.2), ImageScore("b.jpg", error="b.jpg is empty")])
    <2 images, median score 61.20, 1 failed>
    """

    def to_frame(self) -> "pd.DataFrame":
        """Return a row for each image, with the columns of `score --csv`; a missing score is NaN.

        Raises:
            MissingExtraError: pandas is not installed (extra metrics).
        """
        pandas = require("pandas", "metrics")
        details = Details(uncertainty=any(result.uncertainty is not None for result in self))
        rows = [result.as_dict(details) | {"notes": "; ".join(result.notes)} for result in self]
        frame: pd.DataFrame = pandas.DataFrame(rows, columns=list(columns(details)))
        numbers = [name for name in ("score", "stage3", "stage4", "uncertainty") if name in frame]
        return frame.astype(dict.fromkeys(numbers, "float64") | {"on_scale": "boolean"})

    def __repr__(self) -> str:
        scores = [result.score for result in self if result.score is not None]
        name = "score" if len(self) == 1 else "median score"
        median = f", {name} {statistics.median(scores):#.4g}" if scores else ""
        failed = f", {len(self) - len(scores)} failed" if len(scores) < len(self) else ""
        return f"<{len(self)} image{'' if len(self) == 1 else 's'}{median}{failed}>"

    def _repr_html_(self) -> str:
        left_out = len(self) - MOST_SHOWN
        rows = list(map(_html_row, self if left_out <= 0 else self[: MOST_SHOWN // 2]))
        if left_out > 0:
            rows.append(f"<tr><td></td><td colspan='3'>... {left_out} more ...</td></tr>")
            rows += map(_html_row, self[-(MOST_SHOWN // 2) :])
        names = ("", "image", "score", "notes")
        head = "<tr>" + "".join(f"<th style='text-align: left'>{name}</th>" for name in names) + "</tr>"
        return f"<table><caption>{escape(repr(self)[1:-1])}</caption>{head}{''.join(rows)}</table>"


def _html_row(result: ImageScore) -> str:
    picture, score = "", ""
    if result.thumbnail is not None:
        data = base64.b64encode(result.thumbnail.content).decode("ascii")
        picture = f"<img alt='' style='max-height: 84px' src='data:image/webp;base64,{data}'>"
    if result.score is not None:
        spread = "" if result.uncertainty is None else f" \N{PLUS-MINUS SIGN} {result.uncertainty:.2g}"
        score = f"{result.score:#.4g}{spread}"
    beyond = ("beyond the model's scale",) if result.on_scale is False else ()
    texts = result.path, score, result.error or "; ".join((*beyond, *result.notes))
    # names that are not UTF-8 hold surrogates, which no notebook can store
    safe = (escape(text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")) for text in texts)
    cells = (f"<td style='text-align: left; min-width: 7em'>{content}</td>" for content in (picture, *safe))
    return f"<tr>{''.join(cells)}</tr>"


def columns(details: Details = PLAIN) -> tuple[str, ...]:
    """Return the columns of every output format, in order; those of details only where they are asked for.

    >>> columns(Details(uncertainty=True))
    ('path', 'score', 'stage3', 'stage4', 'uncertainty', 'on_scale', 'quality', 'notes', 'error')
    """
    wanted = {
        "uncertainty": details.uncertainty,
        "quality": details.quality,
        "map_file": details.maps,
        "group": details.bursts,
        "best": details.bursts,
    }
    return tuple(name for name in _ALL_COLUMNS if wanted.get(name, True))


_ALL_COLUMNS = (
    "path", "score", "stage3", "stage4", "uncertainty", "on_scale", "quality", "notes", "error", "map_file", "group",
    "best",
)  # fmt: skip
COLUMNS = columns()
"""Columns that are always there."""


def write_map(folder: Path, result: ImageScore) -> ImageScore:
    """Write the picture of a result's quality map, if it has one, into a folder; return it with the file in its place.

    Raises:
        OutputError: the file cannot be written.
    """
    if result.quality_map is None:
        return result
    path = folder / map_name(result.path)
    with writing(f"the quality map {path}"):
        write_bytes(path, result.quality_map.png())
    return replace(result, map_file=str(path), quality_map=None)


def map_name(path: str) -> str:
    """Return a file name for the picture of the image at `path`: readable, safe, and unique.

    >>> map_name("holiday/beach.jpg") != map_name("work/beach.jpg")
    True
    """
    stem = "".join(c if c.isalnum() or c in "-_" else "_" for c in Path(path).stem)
    while len(stem.encode()) > 80:  # file systems bound the bytes of a name
        stem = stem[:-1]
    digest = hashlib.blake2b(path.encode("utf-8", "surrogatepass"), digest_size=6).hexdigest()
    return f"{stem}-{digest}.png"


class Tally:
    """Counter of results and their scores, in 8 bytes each."""

    def __init__(self) -> None:
        self.total = 0
        self.scores: array[float] = array("d")

    @property
    def failed(self) -> int:
        """Number of images without a score."""
        return self.total - len(self.scores)

    def watch(self, results: Iterable[ImageScore]) -> Iterator[ImageScore]:
        """Yield results, and count them."""
        for result in results:
            self.total += 1
            if result.score is not None:
                self.scores.append(result.score)
            yield result

    def line(self, digits: int) -> str:
        """Return the summary in words: quantiles of the scores of several images, and the number of failures."""
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
    """Return the tenth percentile, median and ninetieth percentile of at least one score, as text."""
    return [f"{value:.{digits}f}" for value in np.percentile(scores, (10, 50, 90))]


def decimals(scale: QualityScale | None) -> int:
    """Return the digits after the point to print of a score: two, or three on a scale as short as 0..1."""
    return 3 if scale is not None and scale.high - scale.low < 2 else 2
