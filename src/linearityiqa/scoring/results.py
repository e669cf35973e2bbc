"""What scoring says about one image."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from linearityiqa.scoring.pictures import Picture
from linearityiqa.scoring.quality_map import QualityMap


class Details(NamedTuple):
    """What is asked for beside the scores, at a price in time.

    Attributes:
        uncertainty: the spread of the score over views of the image.
        maps: where in the image quality is lost.
        thumbnails: a small picture of the image.
    """

    uncertainty: bool = False
    maps: bool = False
    thumbnails: bool = False


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
        uncertainty: standard deviation of `score` over views of the image (`linearityiqa.scoring.views`), on the same
            scale; None where it was not asked for.
        on_scale: whether `score` lies on the scale of the model's database; None where that scale is unknown.
        notes: what was done to decode the image, e.g. ``"EXIF orientation applied"``.
        error: why there is no score, or None.
        map_file: where the picture of the quality map was written, or None.
        quality_map: where in the image quality is lost; None where it was not asked for.
        thumbnail: a small picture of the image; None where it was not asked for or the image cannot be decoded.

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
    thumbnail: Picture | None = field(default=None, compare=False, repr=False)

    @property
    def failed(self) -> bool:
        """Whether there is no score."""
        return self.error is not None

    def as_dict(self, details: Details = PLAIN) -> dict[str, Any]:
        """The columns by name, in order, as plain values that JSON can hold."""
        values = {name: getattr(self, name) for name in columns(details)}
        return values | {"notes": list(self.notes)}


def columns(details: Details = PLAIN) -> tuple[str, ...]:
    """Names of the columns of every output format, in order; those of details only where they are asked for.

    >>> columns(Details(uncertainty=True))
    ('path', 'score', 'stage3', 'stage4', 'uncertainty', 'on_scale', 'notes', 'error')
    """
    uncertainty = ("uncertainty",) if details.uncertainty else ()
    map_file = ("map_file",) if details.maps else ()
    return ("path", "score", "stage3", "stage4", *uncertainty, "on_scale", "notes", "error", *map_file)


COLUMNS = columns()
"""The columns that are always there."""
