"""A label file with given content, and an empty current folder, for the tests of readers."""

from pathlib import Path

import pytest


@pytest.fixture
def label_file(tmp_path):
    """Write a label file, labels.csv unless it has another name."""

    def write(content: str | bytes, name: str = "labels.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty current folder."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder
