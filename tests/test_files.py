"""Oracles: the mode that `open` gives a new file; the published beginnings of safetensors, ZIP and pickle files."""

import os
import pickle
from pathlib import Path

import pytest

from linearityiqa.errors import ModelFileError
from linearityiqa.files import atomic_path, file_kind, tensor_kind, write_text


def test_a_file_is_as_readable_as_any_other_and_the_umask_is_never_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(mask: int) -> int:
        raise AssertionError("the umask is that of all threads")

    monkeypatch.setattr(os, "umask", forbidden)
    write_text(tmp_path / "ours.txt", "text")
    (tmp_path / "plain.txt").write_text("text")
    assert (tmp_path / "ours.txt").stat().st_mode == (tmp_path / "plain.txt").stat().st_mode
    assert len(list(tmp_path.iterdir())) == 2


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    write_text(path, "old")

    def fail() -> None:
        with atomic_path(path) as temporary:
            assert temporary.parent == tmp_path
            temporary.write_text("half")
            raise OSError("the disk is full")

    with pytest.raises(OSError, match="full"):
        fail()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_a_library_replaces_by_a_private_one_is_as_readable_as_any_other(tmp_path):
    with atomic_path(tmp_path / "ours.txt") as temporary:
        temporary.unlink()
        os.close(os.open(temporary, os.O_CREAT | os.O_WRONLY, 0o600))
    (tmp_path / "plain.txt").write_text("")
    assert (tmp_path / "ours.txt").stat().st_mode == (tmp_path / "plain.txt").stat().st_mode


def test_the_kind_of_a_file_of_tensors_is_in_its_first_bytes() -> None:
    header = b"{}      "
    assert tensor_kind(len(header).to_bytes(8, "little") + header) == "safetensors"
    assert tensor_kind((0x80).to_bytes(8, "little") + header) == "safetensors"  # begins as a pickle does
    assert tensor_kind(pickle.dumps({}, protocol=2)) == tensor_kind(b"PK\x03\x04 and a directory") == "torch"
    assert tensor_kind(b"") is tensor_kind(b"<!DOCTYPE html>") is None


def test_files_that_are_no_model_files(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "empty").touch()
    (tmp_path / "text").write_text("hello, this is text")
    os.mkfifo(tmp_path / "pipe")
    for name, what in {
        "folder": "is a folder",
        "empty": "is empty",
        "text": "neither safetensors nor",
        "pipe": "not a regular file",
        "absent": "there is no model file",
    }.items():
        with pytest.raises(ModelFileError, match=what):
            file_kind(tmp_path / name)
