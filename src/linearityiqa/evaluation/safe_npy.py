"""Reads the dictionary that NumPy pickled into a .npy file, and runs nothing that stands in it.

A pickle is a program. Three fences make this one harmless. Its steps are looked through before it runs: their number
and the places they store to are bounded, so that a small file cannot claim much time or memory. The only names it may
refer to are those by which NumPy rebuilds arrays, numbers and their types. And these names lead to inert stand-ins,
not to NumPy: the genuine ones can be told to take bytes of the file for addresses of objects.
"""

import io
import math
import pickle
import pickletools
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from linearityiqa.errors import DataError

MAX_BYTES = 256 * 1024 * 1024
"""Largest file that is read: three million images."""

MAX_STEPS = 10_000
"""Most steps of the pickle; a result file has some hundreds, however many images."""

NUMERIC_TYPES = frozenset({"b1", "f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8"})


def load_pickled_dict(path: Path) -> dict[str, Any]:
    """The dictionary in a .npy file that ``np.save`` made of one, with its arrays and numbers.

    Raises:
        DataError: the file is missing, too large or damaged, holds something else, or refers to anything but arrays
            and numbers.
    """
    try:
        with path.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except OSError as cause:
        raise DataError(f"cannot read {path}: {cause.strerror or cause}. Check the path.") from cause
    if len(content) > MAX_BYTES:
        raise DataError(f"{path} has more than {MAX_BYTES} bytes: it is not a result file of the paper's tools.")
    try:
        program = _pickle_in(content)
        _look_through(program)
        saved = _unwrapped(_Unpickler(io.BytesIO(program)).load())
    except _Refused as cause:
        raise DataError(
            f"{path} is refused: its pickle asks for {cause}, where only arrays and numbers are admitted. Get the file "
            "from its source again."
        ) from cause
    except Exception as cause:  # a damaged pickle may fail in any way, and all of them mean the same
        raise DataError(f"{path} is not a result file of the paper's tools, or is damaged: {cause}.") from cause
    # np.save wraps the dictionary in an array without dimensions
    if not (isinstance(saved, list) and len(saved) == 1 and isinstance(saved[0], dict)):
        raise DataError(f"{path} holds no dictionary of results: it is not a result file of the paper's tools.")
    return {key: _plain(value) for key, value in saved[0].items()}


class _Refused(Exception):  # noqa: N818 - internal, becomes a DataError
    """Names what a pickle must not ask for."""


def _pickle_in(content: bytes) -> bytes:
    """What follows the header of a .npy file that holds one object."""
    stream = io.BytesIO(content)
    version = np.lib.format.read_magic(stream)
    readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    if version not in readers:
        raise ValueError(f"version {version} of the format is not known")
    shape, _, dtype = readers[version](stream)
    if dtype != np.dtype(object) or shape != ():
        raise ValueError(f"it holds an array of type {dtype} and shape {shape}, not one dictionary")
    return stream.read()


def _look_through(program: bytes) -> None:
    argument: Any
    for step, (opcode, argument, _) in enumerate(pickletools.genops(program)):
        if step >= MAX_STEPS:
            _refuse(f"more than {MAX_STEPS} steps")
        if "PUT" in opcode.name and int(argument) >= MAX_STEPS:
            _refuse(f"memory at place {argument}")


class _Inert:
    """A stand-in for something that a pickle names; it takes no state unless a subclass says which."""

    def __setstate__(self, state: Any) -> None:
        _refuse(f"a state for {type(self).__name__}")


class _Type(_Inert):
    """Stands in for ``numpy.dtype``."""

    def __init__(self, code: str, align: bool = False, copy: bool = True) -> None:
        if code not in NUMERIC_TYPES and code != "O8":
            _refuse(f"the type {code!r}")
        self.code, self.order = code, "|"

    def __setstate__(self, state: Any) -> None:
        _version, order, subtype, names, fields, *_sizes_and_flags = state
        if order not in ("<", ">", "|", "=") or (subtype, names, fields) != (None, None, None):
            _refuse("a structured type")
        self.order = order

    def numbers(self, raw: Any) -> NDArray[Any]:
        """The numbers that stand in some bytes."""
        if self.code == "O8" or not isinstance(raw, bytes):
            _refuse("an array of objects in place of numbers")
        return np.frombuffer(raw, dtype=np.dtype(self.order + self.code)).copy()


class _Scalar(_Inert):
    """Stands in for the function that rebuilds a NumPy number."""

    def __init__(self, dtype: _Type, raw: bytes) -> None:
        (self.value,) = dtype.numbers(raw)


class _Array(_Inert):
    """Stands in for ``numpy.ndarray`` and for the function that makes an empty one, whose state follows."""

    value: NDArray[Any] | list[Any]

    def __init__(self, kind: Any, shape: Any, code: Any) -> None:
        self.value = []

    def __setstate__(self, state: Any) -> None:
        _version, shape, dtype, fortran_order, raw = state
        if not isinstance(dtype, _Type):
            _refuse("an array without a type")
        if isinstance(raw, list):
            if dtype.code != "O8" or len(raw) != math.prod(shape):
                _refuse("a list in place of an array")
            self.value = raw
        else:
            self.value = dtype.numbers(raw).reshape(shape, order="F" if fortran_order else "C")


_STAND_INS: dict[tuple[str, str], type[_Inert]] = {
    (f"{package}{module}", name): stand_in
    for package in ("numpy.core.", "numpy._core.")
    for module, name, stand_in in (("multiarray", "_reconstruct", _Array), ("multiarray", "scalar", _Scalar))
} | {("numpy", "ndarray"): _Array, ("numpy", "dtype"): _Type}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module_name: str, global_name: str) -> type[_Inert]:
        if (module_name, global_name) not in _STAND_INS:
            _refuse(f"{module_name}.{global_name}")
        return _STAND_INS[module_name, global_name]


def _plain(value: Any) -> Any:
    """What a stand-in stands for; lists are followed one level deep, as far as a result file nests them."""
    if isinstance(value, list):
        return [_unwrapped(item) for item in value]
    return _unwrapped(value)


def _unwrapped(value: Any) -> Any:
    return value.value if isinstance(value, _Array | _Scalar) else value


def _refuse(what: str) -> NoReturn:
    raise _Refused(what)
