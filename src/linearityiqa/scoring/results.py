"""What scoring says about one image."""

import dataclasses
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class ImageScore:
    """The scores of one image, or the reason why it has none.

    Attributes:
        path: the image, as it was named.
        score: predicted quality on the scale of the model's database, never clipped; None where it failed.
        stage3: the score of the shallower head alone, on the same scale.
        stage4: the score of the deeper head alone, on the same scale.
        on_scale: whether `score` lies on the scale of the model's database; None where that scale is unknown.
        notes: what was done to decode the image, e.g. ``"EXIF orientation applied"``.
        error: why there is no score, or None.

    >>> ImageScore("a.jpg", error="a.jpg is empty").failed
    True
    """

    path: str
    score: float | None = None
    stage3: float | None = None
    stage4: float | None = None
    on_scale: bool | None = None
    notes: tuple[str, ...] = ()
    error: str | None = None

    @property
    def failed(self) -> bool:
        """Whether there is no score."""
        return self.error is not None

    def as_dict(self) -> dict[str, Any]:
        """The fields by name, in order, as plain values that JSON can hold."""
        return {name: getattr(self, name) for name in COLUMNS} | {"notes": list(self.notes)}


COLUMNS = tuple(field.name for field in dataclasses.fields(ImageScore))
"""Names of the fields, which are the columns of every output format."""
