"""What is wrong with a label file: refused at once, or collected, by one and the same reader."""

from collections.abc import Callable
from typing import Literal, NamedTuple, NoReturn

from linearityiqa.errors import DataError

FaultKind = Literal["row", "number", "name", "listed-twice", "split", "reference", "straddling", "scores"]
"""
row: a row of the wrong length; number: a value that is no finite number, or a negative deviation; name: what cannot be
an image name; listed-twice: an image with two rows; split: an unknown word; reference: an empty one; straddling: a
reference in two splits; scores: scores that are all the same.
"""


class Fault(NamedTuple):
    """One thing wrong with a label file.

    Attributes:
        kind: what sort of fault it is.
        message: what, where and the remedy, a sentence.
        images: names of the images concerned, as they stand in the file.
    """

    kind: FaultKind
    message: str
    images: tuple[str, ...] = ()


OnFault = Callable[[Fault], None]
"""What a reader does with a fault: `refuse` raises it, the `append` of a list collects it and the reader goes on."""


def refuse(fault: Fault) -> NoReturn:
    """Raise the fault as a `DataError`."""
    raise DataError(fault.message)
