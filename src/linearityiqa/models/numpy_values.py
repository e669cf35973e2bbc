"""Stand-ins for numpy's constructors, for pickles that hold numpy numbers and arrays beside tensors.

torch's restricted unpickler calls these in place of numpy's own, which trust what the pickle hands them.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np


class PlainType:
    """In place of ``numpy.dtype``: real numbers and truth values only."""

    def __init__(self, code: str, *_: Any) -> None:
        if code not in ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1"):
            raise ValueError(f"a number of type {code!r} is not admitted")
        self.dtype = np.dtype(code)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        if state[1] == ">":
            self.dtype = self.dtype.newbyteorder(">")


class PlainArray:
    """In place of ``numpy.ndarray``; `values` is the array once its state is set."""

    values: np.ndarray[Any, Any]

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, kind, fortran_order, content = state
        flat = np.frombuffer(content, kind.dtype)
        self.values = flat.reshape(shape, order="F" if fortran_order else "C")

    def __iter__(self) -> Iterator[Any]:
        return iter(self.values)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        return np.array(self.values, dtype=dtype)


def _empty_array(*_: Any) -> PlainArray:
    return PlainArray()


def _scalar(kind: PlainType, content: bytes) -> Any:
    return np.frombuffer(content, kind.dtype, count=1)[0].item()


def _encode(text: str, encoding: str = "latin1") -> bytes:
    """In place of ``_codecs.encode``, by which old pickles write bytes."""
    if encoding != "latin1":
        raise ValueError(f"an encoding {encoding!r} is not admitted")
    return text.encode("latin1")


NUMPY_VALUES: list[Callable[..., Any] | tuple[Callable[..., Any], str]] = [
    (PlainType, "numpy.dtype"),
    (PlainArray, "numpy.ndarray"),
    (_encode, "_codecs.encode"),
    # numpy 2 renamed the module
    *((_scalar, f"numpy.{core}.multiarray.scalar") for core in ("core", "_core")),
    *((_empty_array, f"numpy.{core}.multiarray._reconstruct") for core in ("core", "_core")),
]
"""For `torch.serialization.safe_globals`."""
