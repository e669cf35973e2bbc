"""Numbers and arrays of NumPy inside pickles, rebuilt by stand-ins, since NumPy's own trust what a pickle hands them.

`NUMPY_VALUES` are for torch's restricted unpickler, which reads checkpoints; `load_numpy_pickle` reads pickles of such
values, plain containers, numbers and strings alone.
"""

import io
import math
import pickle
import pickletools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

MAX_STEPS = 10_000
"""Most steps of a pickle: some hundreds are enough for any number of values in some arrays."""
NUMERIC_TYPES = frozenset({"b1", "f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8"})
OBJECTS = "O8"


class RefusedPickleError(ValueError):
    """A pickle asks for what it must not get."""


class PlainType:
    """In place of ``numpy.dtype``: real numbers, truth values, and objects that the same pickle holds."""

    def __init__(self, code: str, align: bool = False, copy: bool = True) -> None:
        if code not in NUMERIC_TYPES and code != OBJECTS:
            raise RefusedPickleError(f"the type {code!r}")
        self.code, self.order = code, "|"

    def __setstate__(self, state: Any) -> None:
        _version, order, subtype, names, fields, *_sizes_and_flags = state
        if order not in ("<", ">", "|", "=") or (subtype, names, fields) != (None, None, None):
            raise RefusedPickleError("a structured type")
        self.order = order

    def numbers(self, raw: Any) -> NDArray[Any]:
        """Return the numbers in some bytes."""
        if self.code == OBJECTS or not isinstance(raw, bytes):
            raise RefusedPickleError("an array of objects in place of numbers")
        return np.frombuffer(raw, dtype=np.dtype(self.order + self.code)).copy()


class PlainArray:
    """In place of ``numpy.ndarray``, and of the function that makes an empty one, whose state follows."""

    values: NDArray[Any] | list[Any]
    """The array; of an array of objects, their list."""

    def __init__(self, *_: Any) -> None:
        self.values = []

    def __setstate__(self, state: Any) -> None:
        _version, shape, dtype, fortran_order, raw = state
        if not isinstance(dtype, PlainType):
            raise RefusedPickleError("an array without a type")
        if isinstance(raw, list):
            if dtype.code != OBJECTS or len(raw) != math.prod(shape):
                raise RefusedPickleError("a list in place of an array")
            self.values = raw
        else:
            self.values = dtype.numbers(raw).reshape(shape, order="F" if fortran_order else "C")

    def __iter__(self) -> Iterator[Any]:
        return iter(self.values)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.array(self.values, dtype=dtype)


class PlainScalar:
    """In place of the function that rebuilds a NumPy number, which is what calling this gives.

    A class, because a pickle can set attributes of a function.
    """

    def __new__(cls, dtype: PlainType, raw: bytes) -> Any:  # noqa: D102
        (value,) = dtype.numbers(raw)
        return value

    def __setstate__(self, state: Any) -> None:
        raise RefusedPickleError("a state for a number")


def _encode(text: str, encoding: str = "latin1") -> bytes:
    """In place of ``_codecs.encode``, by which old pickles write bytes."""
    if encoding != "latin1":
        raise RefusedPickleError(f"the encoding {encoding!r}")
    return text.encode("latin1")


_STAND_INS: dict[str, type[PlainType | PlainArray | PlainScalar]] = {
    "numpy.dtype": PlainType,
    "numpy.ndarray": PlainArray,
    # numpy 2 renamed the module
    **{f"numpy.{core}.multiarray.scalar": PlainScalar for core in ("core", "_core")},
    **{f"numpy.{core}.multiarray._reconstruct": PlainArray for core in ("core", "_core")},
}
NUMPY_VALUES: list[Callable[..., Any] | tuple[Callable[..., Any], str]] = [
    (_encode, "_codecs.encode"),
    *((stand_in, name) for name, stand_in in _STAND_INS.items()),
]
"""For `torch.serialization.safe_globals`."""


class _Unpickler(pickle.Unpickler):
    def find_class(self, module_name: str, global_name: str) -> Any:
        name = f"{module_name}.{global_name}"
        if name not in _STAND_INS:
            raise RefusedPickleError(name)
        return _STAND_INS[name]


def load_numpy_pickle(program: bytes) -> Any:
    """Load a pickle of containers, numbers, strings and NumPy's values; arrays are `PlainArray`.

    RefusedPickleError: it asks for anything else, or for more than `MAX_STEPS` steps. A damaged one may raise anything.
    """
    argument: Any
    for step, (opcode, argument, _) in enumerate(pickletools.genops(program)):
        if step >= MAX_STEPS:
            raise RefusedPickleError(f"more than {MAX_STEPS} steps")
        if "PUT" in opcode.name and int(argument) >= MAX_STEPS:
            raise RefusedPickleError(f"memory at place {argument}")
    return _Unpickler(io.BytesIO(program)).load()
