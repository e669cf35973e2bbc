"""What is refused before onnxruntime sees it; oracle: the onnx package, which writes the files."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("onnx", reason="the extra export is not installed")

from onnx import ModelProto, SparseTensorProto, TensorProto, helper, numpy_helper

from linearityiqa.errors import ModelFileError
from linearityiqa.scoring import onnx_file
from linearityiqa.scoring.onnx_file import NOTE_KEY, fields, read_onnx
from tiny_onnx import tiny_graph, tiny_model, tiny_note, write


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "model.onnx"


def test_what_stands_in_a_file_of_ours(path: Path) -> None:
    note = tiny_note(precision="int8", check={"difference": 1e-6})
    file = read_onnx(write(path, tiny_model(with_map=True, note=note.to_json())))
    assert file.note == note
    assert file.has_map
    assert file.content == path.read_bytes()
    assert not read_onnx(write(path, tiny_model())).has_map


def test_fields_are_those_that_protobuf_writes() -> None:
    entry = helper.make_model(tiny_graph()).metadata_props.add(key="k" * 200, value="ä")
    found = {field.number: field.text() for field in fields(memoryview(entry.SerializeToString()))}
    assert found == {1: "k" * 200, 2: "ä"}


def outside(model: ModelProto) -> None:
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/passwd")


def outside_without_saying(model: ModelProto) -> None:
    model.graph.initializer[0].external_data.add(key="location", value="../secret")


def outside_in_a_node(model: ModelProto) -> None:
    tensor = numpy_helper.from_array(np.zeros(1, np.float32))
    tensor.data_location = TensorProto.EXTERNAL
    model.graph.node.append(helper.make_node("Constant", [], ["more"], value=tensor))


def endless(model: ModelProto) -> None:
    model.graph.node.append(helper.make_node("Loop", ["", ""], ["more"], body=tiny_graph()))


def custom(model: ModelProto) -> None:
    model.graph.node.append(helper.make_node("Anything", ["images"], ["more"], domain="my.operators"))


def function(model: ModelProto) -> None:
    model.functions.append(helper.make_function("local", "f", ["x"], ["y"], [], []))


def sparse(model: ModelProto) -> None:
    model.graph.sparse_initializer.append(SparseTensorProto(dims=[1]))


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (outside, "tensors in other files"),
        (outside_without_saying, "tensors in other files"),
        (outside_in_a_node, "tensors in other files"),
        (endless, "control flow"),
        (custom, "operators of the domain 'my.operators'"),
        (function, "functions"),
        (sparse, "sparse tensors"),
    ],
)
def test_what_we_never_write_is_refused(path: Path, change, found: str) -> None:
    model = tiny_model()
    change(model)
    with pytest.raises(ModelFileError, match=f"is refused: it holds {found}"):
        read_onnx(write(path, model))


def varint(number: int) -> bytes:
    """A number as protobuf writes it: seven bits a byte, the lowest first."""
    low, rest = number & 0x7F, number >> 7
    return bytes([low | 0x80]) + varint(rest) if rest else bytes([low])


@pytest.mark.parametrize("number", [13, 14, 25])
@pytest.mark.parametrize("bit", [32, 40, 63])
def test_a_key_of_more_than_32_bits_is_refused_at_any_depth(path: Path, number: int, bit: int) -> None:
    """Protobuf's parsers take the lower 32 bits: a check that sees another field there than they is none."""
    hidden = varint((1 << bit) | (number << 3)) + b"\x01"
    model = tiny_model()
    graph = model.graph.SerializeToString()
    tensor = model.graph.initializer[0].SerializeToString() + hidden
    model.ClearField("graph")
    rest = model.SerializeToString()
    for inside in (graph + hidden, graph + varint(5 << 3 | 2) + varint(len(tensor)) + tensor):
        path.write_bytes(rest + varint(7 << 3 | 2) + varint(len(inside)) + inside)
        with pytest.raises(ModelFileError, match="no ONNX file, or a damaged one: a field whose key has more than 32"):
            read_onnx(path)
    path.write_bytes(rest + varint(7 << 3 | 2) + varint(len(graph)) + graph)
    assert read_onnx(path).content  # without what is hidden it is read
    path.write_bytes(path.read_bytes() + hidden)
    with pytest.raises(ModelFileError, match="more than 32 bits"):
        read_onnx(path)


def test_a_pointer_of_git_lfs_is_named(path: Path) -> None:
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 8875558\n")
    with pytest.raises(
        ModelFileError, match=r"model\.onnx is a Git LFS pointer, not the model itself. Run git lfs pull"
    ):
        read_onnx(path)


def test_a_model_of_someone_else(path: Path) -> None:
    model = tiny_model()
    model.metadata_props[0].key = "author"
    with pytest.raises(ModelFileError, match="not written by linearityiqa export"):
        read_onnx(write(path, model))


def test_other_outputs(path: Path) -> None:
    model = tiny_model()
    del model.graph.output[2]
    with pytest.raises(ModelFileError, match="gives stage3, stage4, where a quality model gives stage3, stage4, fused"):
        read_onnx(write(path, model))


def damaged(**changes: object) -> str:
    return json.dumps(json.loads(tiny_note().to_json()) | changes)


@pytest.mark.parametrize(
    ("note", "message"),
    [
        ("", "damaged"),
        ("[]", "damaged"),
        ("[" * 100_000, "damaged"),
        (damaged(format=2), "newer linearityiqa"),
        (damaged(taps=[[16, 0]]), "damaged"),
        (damaged(taps=[[0, 0], [16, 0]]), "damaged"),
        (damaged(record={}), "damaged"),
        (damaged(check={"difference": "much"}), "damaged"),
        (" " * (onnx_file.MAX_NOTE_CHARACTERS + 1), "characters"),
    ],
)
def test_a_damaged_note(path: Path, note: str, message: str) -> None:
    with pytest.raises(ModelFileError, match=message):
        read_onnx(write(path, tiny_model(note=note)))


def test_no_file_to_read(path: Path) -> None:
    with pytest.raises(ModelFileError, match="no model file"):
        read_onnx(path)


def test_a_file_that_is_too_large(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_file, "MAX_FILE_BYTES", 100)
    with pytest.raises(ModelFileError, match="larger than the 100 bytes"):
        read_onnx(write(path, tiny_model()))


SOUND = tiny_model().SerializeToString()


@pytest.mark.parametrize(
    "content", [b"\x00", b"PK\x03\x04" + bytes(60), b"a text, not a model\n", SOUND[:-40], bytes(99)]
)
def test_what_is_no_onnx_file(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(ModelFileError):
        read_onnx(path)


@given(position=st.integers(0, len(SOUND) - 1), byte=st.integers(0, 255), length=st.integers(1, len(SOUND)))
def test_damage_is_a_model_file_error_or_goes_unnoticed(
    tmp_path_factory, position: int, byte: int, length: int
) -> None:
    damaged = bytearray(SOUND)
    damaged[position] = byte
    path = tmp_path_factory.getbasetemp() / "damaged.onnx"
    path.write_bytes(bytes(damaged[:length]))
    try:
        file = read_onnx(path)
    except ModelFileError:
        return
    assert NOTE_KEY.encode() in file.content
