"""Oracle: files in fsspec's own memory file system."""

import pytest

from linearityiqa import images
from linearityiqa.errors import DataError, UnreadableImageError
from linearityiqa.scoring import urls
from linearityiqa.scoring.urls import expand_url, read_url


@pytest.fixture
def bucket():
    """A folder in memory with two images, one of them deeper, and a text."""
    fsspec = pytest.importorskip("fsspec", reason="the extra ray is not installed")
    files = fsspec.filesystem("memory")
    for name in ("b.jpg", "deep/a.PNG", "notes.txt"):
        files.pipe(f"/bucket/{name}", name.encode())
    files.pipe("/bucket/empty.jpg", b"")
    yield "memory://bucket"
    files.rm("/bucket", recursive=True)


def test_a_folder_names_the_images_below_it(bucket):
    assert list(expand_url(bucket)) == [
        "memory:///bucket/b.jpg",
        "memory:///bucket/deep/a.PNG",
        "memory:///bucket/empty.jpg",
    ]


def test_a_glob_names_what_matches(bucket):
    assert list(expand_url(f"{bucket}/b*")) == ["memory:///bucket/b.jpg"]


def test_an_object_names_itself_and_is_read(bucket):
    (address,) = expand_url(f"{bucket}/notes.txt")
    assert read_url(address) == b"notes.txt"


@pytest.mark.parametrize(("name", "reason"), [("none.jpg", "does not exist"), ("empty.jpg", "is empty")])
def test_what_cannot_be_read_is_named(bucket, name, reason):
    with pytest.raises(UnreadableImageError, match=rf"{name}.*{reason}"):
        read_url(f"{bucket}/{name}")


def test_content_is_bounded(bucket, monkeypatch):
    monkeypatch.setattr(urls, "MAX_FILE_BYTES", 4)
    with pytest.raises(UnreadableImageError, match="more than the 4 bytes"):
        read_url(f"{bucket}/b.jpg")
    assert images.MAX_FILE_BYTES > 4


def test_an_unknown_protocol_is_told(bucket):
    with pytest.raises(DataError, match="cannot open nothing://a"):
        list(expand_url("nothing://a/b.jpg"))
