"""Files that are damaged, hostile or of another kind are refused in one sentence, and nothing in them runs."""

import contextlib
import os
import pickle
import struct
import zipfile

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from linearityiqa.errors import ModelFileError
from linearityiqa.files import file_kind
from linearityiqa.models import open_model
from linearityiqa.models.tensors import (
    MAX_HEADER_BYTES,
    difference,
    read_safetensors,
    read_torch,
    state_dict_in,
)
from linearityiqa.scoring import Scorer
from linearityiqa.training.state import RunState


class Hostile:
    """Pickles to a call that leaves a marker when it is unpickled carelessly."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return (os.mkdir, (str(self.marker),))


def read(path):
    return read_safetensors(path) if file_kind(path) == "safetensors" else read_torch(path)


@pytest.mark.parametrize("layout", ["zip", "legacy", "bare pickle", "inside a state dict"])
def test_pickles_that_would_run_code_are_refused_and_do_not_run(layout, tmp_path):
    marker, path = tmp_path / "ran", tmp_path / "model.pth"
    if layout == "bare pickle":
        path.write_bytes(pickle.dumps(Hostile(marker), protocol=2))
    else:
        content = {"model": {"w": Hostile(marker)}} if layout == "inside a state dict" else Hostile(marker)
        torch.save(content, path, _use_new_zipfile_serialization=layout != "legacy")
    with pytest.raises(ModelFileError, match=r"is refused: its pickle asks for .*run code"):
        read(path)
    assert not marker.exists()
    torch.load(path, weights_only=False) if layout != "bare pickle" else pickle.loads(path.read_bytes())
    assert marker.exists(), "the file is not hostile: the test proves nothing"


@pytest.mark.parametrize(
    "spelling", ["builtins.eval", "numpy.load", "torch.hub.load", "numpy.core.multiarray.fromfile"]
)
def test_only_plain_constructors_are_admitted(spelling, tmp_path):
    module, name = spelling.rsplit(".", 1)
    path = tmp_path / "model.pth"
    path.write_bytes(b"\x80\x02c" + f"{module}\n{name}\n".encode() + b"X\x01\x00\x00\x00x\x85R.")
    with pytest.raises(ModelFileError, match=r"refused|truncated"):
        read(path)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("share", [0.01, 0.3, 0.7, 0.99])
def test_truncated_checkpoints(share, zipped, tmp_path):
    path = tmp_path / "model.pth"
    torch.save({"model": {"w": torch.zeros(1000)}}, path, _use_new_zipfile_serialization=zipped)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(ModelFileError, match="truncated"):
        read(path)


def test_a_flipped_bit_in_a_checkpoint_is_found(tmp_path):
    path = tmp_path / "model.pth"
    torch.save({"model": {"w": torch.ones(1000)}}, path)
    content = bytearray(path.read_bytes())
    content[content.index(torch.ones(100).numpy().tobytes()) + 803] ^= 64  # 1.0 becomes another number
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match=r"damaged \(its entry .*data/0 is damaged\)"):
        read(path)


def test_truncated_safetensors_at_every_length(tmp_path):
    path = tmp_path / "model.safetensors"
    save_file({"w": torch.zeros(4)}, path)
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(ModelFileError):
            read(path)


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_damaged_bytes_never_escape_as_another_error(tmp_path):
    path = tmp_path / "model.pth"
    torch.save({"w": torch.zeros(3), "k": [1.0, 2.0]}, path, _use_new_zipfile_serialization=False)
    whole = bytearray(path.read_bytes())
    rng = np.random.default_rng(0)
    for _ in range(150):
        broken = bytearray(whole)
        broken[rng.integers(len(whole))] = rng.integers(256)
        path.write_bytes(bytes(broken))
        with contextlib.suppress(ModelFileError):
            read(path)


def test_header_of_safetensors_is_bounded(tmp_path):
    path = tmp_path / "model.safetensors"
    path.write_bytes(struct.pack("<Q", MAX_HEADER_BYTES + 1) + b"{" + b" " * 100)
    with pytest.raises(ModelFileError, match=f"claims {MAX_HEADER_BYTES + 1} bytes"):
        read(path)


def test_compressed_archives_are_refused_before_they_are_unpacked(tmp_path):
    path = tmp_path / "bomb.pth"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", b"\0" * 10_000_000)
    with pytest.raises(ModelFileError, match="would unpack to 10000000 bytes"):
        read(path)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize(
    "value", [np.float64(2.5), np.float32(2.5), np.array(2.5), np.array([2.5]), np.array([2.5], ">f4"), 2.5]
)
def test_numpy_values_beside_tensors_are_read(value, zipped, tmp_path):
    path = tmp_path / "model.pth"
    torch.save({"k": [value, value]}, path, _use_new_zipfile_serialization=zipped)
    content = read(path)
    assert float(np.asarray(content["k"][1]).reshape(())) == 2.5


def test_numpy_arrays_keep_their_order(tmp_path):
    matrix = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    torch.save({"a": matrix, "b": matrix.copy(order="C")}, tmp_path / "m.pth")
    content = read(tmp_path / "m.pth")
    np.testing.assert_array_equal(np.asarray(content["a"]), matrix)
    np.testing.assert_array_equal(np.asarray(content["b"]), matrix)


@pytest.mark.parametrize("value", [np.array([object()]), np.array(["text"]), np.array([1j])])
def test_other_numpy_values_are_refused(value, tmp_path):
    torch.save({"k": value}, tmp_path / "m.pth")
    with pytest.raises(ModelFileError, match=r"refused|truncated or not a PyTorch checkpoint"):
        read(tmp_path / "m.pth")


@pytest.mark.parametrize(
    "content",
    [
        7,
        {},
        [torch.zeros(1)],
        {"w": 1.0},
        {1: torch.zeros(1)},
        {"w": torch.zeros(2, 2).to_sparse()},
        {"w": torch.empty(10**6, 10**6, device="meta")},
    ],
)
def test_what_is_no_state_dict_is_refused(content, tmp_path):
    with pytest.raises(ModelFileError, match="state dict"):
        state_dict_in(content, tmp_path / "m.pth")


def test_difference_names_what_is_missing_extra_and_changed():
    network = {"a.weight": torch.zeros(2, 3), "b.weight": torch.zeros(1), "b.num_batches_tracked": torch.tensor(0)}
    given = {"a.weight": torch.zeros(3, 2), "c": torch.zeros(1), "d": torch.zeros(1)}
    assert difference(network, given) == (
        "1 tensor is missing (b.weight); 2 tensors are not part of the network (c, ...); "
        "1 tensor is of another shape (a.weight: 3 x 2 in the file, 2 x 3 in the network)"
    )
    assert difference(network, network | given) != ""
    assert difference(network, network | {"c": torch.zeros(1)}, extra_allowed=True) == ""


def test_what_is_no_model_is_named_as_what_it_is(tmp_path):
    pointer = tmp_path / "model.safetensors"
    pointer.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 11062486\n")
    for opened in (open_model, Scorer):
        with pytest.raises(ModelFileError, match=r"is a Git LFS pointer, not the model itself. Run git lfs pull"):
            opened(pointer)
    RunState(fingerprint="f", network={"weight": torch.zeros(1)}).save(tmp_path)
    for opened in (open_model, lambda path: Scorer(path, device="cpu")):
        with pytest.raises(
            ModelFileError, match=r"last\.pt is the state that a training run resumes from, not a model"
        ):
            opened(tmp_path / "last.pt")
