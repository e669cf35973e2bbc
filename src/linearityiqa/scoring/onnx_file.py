"""Our ONNX model files: the note in them, and the refusal of unsafe ones before anything loads them.

They are read field by field: google.protobuf's UnknownFieldSet copies the message at each level (a model of 350 MB took
5 to 6 s and 1.4 GB with it, 0.6 s and 0.4 GB here), and the onnx package is not in the base install.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from linearityiqa.errors import MALFORMED, ModelFileError
from linearityiqa.files import start_of_model
from linearityiqa.quality import HEADS
from linearityiqa.record import ModelRecord
from linearityiqa.sizes import TapGeometry

IMAGES = "images"
"""Name of the network's input: normalised images, float32 of shape (N, 3, H, W)."""
MAP = "map"
"""Name of the optional output that holds the quality map."""
NOTE_KEY = "linearityiqa"
"""Key of the note in the metadata of an ONNX file."""
FORMAT = 1
"""Version of the note's layout; a reader refuses a newer one."""
MAX_FILE_BYTES = 2**31 - 1
"""A protobuf file cannot be larger."""
MAX_NOTE_CHARACTERS = 2**20
"""Bound on the note; a real one has some thousand characters."""

# Field numbers of onnx.proto, which its compatibility rules fix.
_MODEL_GRAPH, _MODEL_METADATA, _MODEL_FUNCTIONS = 7, 14, 25
_ENTRY_KEY, _ENTRY_VALUE = 1, 2
_GRAPH_NODE, _GRAPH_INITIALIZER, _GRAPH_OUTPUT, _GRAPH_SPARSE = 1, 5, 12, 15
_NODE_ATTRIBUTE, _NODE_DOMAIN = 5, 7
_ATTRIBUTE_TENSOR, _ATTRIBUTE_TENSORS, _ATTRIBUTE_GRAPHS, _ATTRIBUTE_SPARSE = 5, 10, (6, 11), (22, 23)
_TENSOR_EXTERNAL, _TENSOR_LOCATION = 13, 14
_VALUE_NAME = 1

_DOMAINS = ("", "ai.onnx", "com.microsoft")
_VARINT, _EIGHT_BYTES, _LENGTH, _FOUR_BYTES = 0, 1, 2, 5


@dataclass(frozen=True)
class OnnxNote:
    """Note in an ONNX file of ours: how to score with it."""

    record: ModelRecord
    taps: tuple[TapGeometry, TapGeometry]
    """How the size of an image becomes that of the feature maps of stages 3 and 4."""
    precision: str = "float32"
    """``float32`` or ``int8``."""
    check: dict[str, float] = field(default_factory=dict)
    """Differences that were measured when the file was written, by name."""

    def to_json(self) -> str:
        """Return the note as one JSON object."""
        values: dict[str, Any] = {
            "format": FORMAT,
            "record": json.loads(self.record.to_json()),
            "taps": [[tap.stride, tap.offset] for tap in self.taps],
            "precision": self.precision,
            "check": self.check,
        }
        return json.dumps(values)

    @classmethod
    def from_json(cls, text: str, where: str) -> "OnnxNote":
        """Read a note; ModelFileError where it is damaged, or of a newer format."""
        try:
            values = json.loads(text)
            if values["format"] > FORMAT:
                raise ModelFileError(f"{where} was written by a newer linearityiqa. Update linearityiqa.")
            stage3, stage4 = (TapGeometry(int(stride), int(offset)) for stride, offset in values["taps"])
            if min(stage3.stride, stage4.stride) < 1:
                raise ValueError("a stride below 1")
            return cls(
                record=ModelRecord.from_json(json.dumps(values["record"]), where),
                taps=(stage3, stage4),
                precision=str(values["precision"]),
                check={str(name): float(value) for name, value in values["check"].items()},
            )
        except MALFORMED as cause:
            raise ModelFileError(f"the note in {where} is damaged: {cause}. Copy the file again.") from cause


class OnnxFile(NamedTuple):
    """An ONNX file that is fit to be loaded: all of it, its note, and whether the network also gives a quality map."""

    content: bytes
    note: OnnxNote
    has_map: bool


def read_onnx(path: Path) -> OnnxFile:
    """Read an ONNX file of ours, without loading the network in it; ModelFileError unless it is one, and safe.

    Refused are files that refer to other files, that hold control flow or functions (an endless loop would be one), or
    operators of unknown domains: we write none of these.
    """
    content = _read(path)
    try:
        note, graph = _note_and_graph(memoryview(content), path)
        outputs = _checked_outputs(graph, path)
    except ValueError as cause:
        raise ModelFileError(f"{path} is no ONNX file, or a damaged one: {cause}. Copy the file again.") from cause
    if not set(HEADS) <= outputs:
        raise ModelFileError(
            f"{path} gives {', '.join(sorted(outputs)) or 'nothing'}, where a quality model gives {', '.join(HEADS)}. "
            "Export it again with linearityiqa export."
        )
    return OnnxFile(content, OnnxNote.from_json(note, str(path)), MAP in outputs)


def _read(path: Path) -> bytes:
    start_of_model(path)
    if path.stat().st_size > MAX_FILE_BYTES:
        raise ModelFileError(f"{path} is larger than the {MAX_FILE_BYTES} bytes that an ONNX file can have.")
    try:
        return path.read_bytes()
    except OSError as cause:
        raise ModelFileError(f"cannot read {path}: {cause.strerror}. Copy the file again.") from cause


def _note_and_graph(model: memoryview, path: Path) -> tuple[str, memoryview]:
    note: str | None = None
    graphs = []
    for item in fields(model):
        if item.number == _MODEL_FUNCTIONS:
            raise _unsafe(path, "functions")
        if item.number == _MODEL_GRAPH:
            graphs.append(item.content)
        elif item.number == _MODEL_METADATA and _text(item.content, _ENTRY_KEY) == NOTE_KEY:
            note = _text(item.content, _ENTRY_VALUE)
    if len(graphs) != 1:
        raise ValueError(f"{len(graphs)} graphs")
    if note is None:
        raise ModelFileError(
            f"{path} holds no note of a quality model: it was not written by linearityiqa export. "
            "Export the model.safetensors of a run folder."
        )
    if len(note) > MAX_NOTE_CHARACTERS:
        raise ModelFileError(f"{path} is refused: its note has {len(note)} characters. Copy the file again.")
    return note, graphs[0]


def _checked_outputs(graph: memoryview, path: Path) -> set[str]:
    """Check that a graph is safe; return the names of its outputs."""
    outputs = set()
    for item in fields(graph):
        if item.number == _GRAPH_NODE:
            _check_node(item.content, path)
        elif item.number == _GRAPH_INITIALIZER:
            _check_tensor(item.content, path)
        elif item.number == _GRAPH_SPARSE:
            raise _unsafe(path, "sparse tensors")
        elif item.number == _GRAPH_OUTPUT:
            outputs.add(_text(item.content, _VALUE_NAME))
    return outputs


def _check_node(node: memoryview, path: Path) -> None:
    for item in fields(node):
        if item.number == _NODE_DOMAIN and item.text() not in _DOMAINS:
            raise _unsafe(path, f"operators of the domain {item.text()!r}")
        if item.number != _NODE_ATTRIBUTE:
            continue
        for part in fields(item.content):
            if part.number in _ATTRIBUTE_GRAPHS:
                raise _unsafe(path, "control flow")
            if part.number in _ATTRIBUTE_SPARSE:
                raise _unsafe(path, "sparse tensors")
            if part.number in (_ATTRIBUTE_TENSOR, _ATTRIBUTE_TENSORS):
                _check_tensor(part.content, path)


def _check_tensor(tensor: memoryview, path: Path) -> None:
    for item in fields(tensor):
        if item.number == _TENSOR_EXTERNAL or (item.number == _TENSOR_LOCATION and item.value != 0):
            raise _unsafe(path, "tensors in other files")


def _unsafe(path: Path, what: str) -> ModelFileError:
    return ModelFileError(
        f"{path} is refused: it holds {what}, which linearityiqa export never writes. Export the model again."
    )


class Field(NamedTuple):
    """A field of a protobuf message: its number, and its bytes (length-delimited fields) or number (all others)."""

    number: int
    content: memoryview = memoryview(b"")
    value: int = 0

    def text(self) -> str:
        """Return the content as text; a `ValueError` where it is not UTF-8."""
        return str(self.content, "utf-8")


def fields(message: memoryview) -> Iterator[Field]:
    """Yield the fields of a message in order, with contents that are views of it; ValueError where it is damaged.

    >>> message = memoryview(bytes([8, 150, 1, 18, 1, 65]))
    >>> [(field.number, bytes(field.content), field.value) for field in fields(message)]
    [(1, b'', 150), (2, b'A', 0)]
    """
    position = 0
    while position < len(message):
        key, position = _varint(message, position)
        if key >= 2**32:  # onnxruntime's parser drops the upper bits, and would see another field than this one
            raise ValueError("a field whose key has more than 32 bits")
        number, kind = key >> 3, key & 7
        if kind == _VARINT:
            value, position = _varint(message, position)
            yield Field(number, value=value)
            continue
        if kind == _LENGTH:
            length, position = _varint(message, position)
        elif kind in (_FOUR_BYTES, _EIGHT_BYTES):
            length = 4 if kind == _FOUR_BYTES else 8
        else:
            raise ValueError(f"a field of kind {kind}")
        if position + length > len(message):
            raise ValueError("a field that ends behind its message")
        yield Field(number, message[position : position + length])
        position += length


def _varint(message: memoryview, position: int) -> tuple[int, int]:
    """Read a number of seven bits a byte; also return the position behind it."""
    value = 0
    for shift in range(0, 70, 7):
        if position == len(message):
            raise ValueError("a number that ends behind its message")
        byte = message[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    raise ValueError("a number of more than ten bytes")


def _text(message: memoryview, number: int) -> str:
    """Return the last text of this number in a message, as protobuf takes it; empty where there is none."""
    return ([field.text() for field in fields(message) if field.number == number] or [""])[-1]
