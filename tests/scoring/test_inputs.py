"""Oracle: trees made on the spot, whose images are written down by hand."""

import io
import itertools
import logging
import os
from pathlib import Path

import pytest

from linearityiqa import images
from linearityiqa.errors import ConfigError, DataError, UnreadableImageError
from linearityiqa.scoring import expand, inputs
from linearityiqa.scoring.inputs import count, expand_url, read_url


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ["b.JPG", "a/z.png", "a/y.tiff", "c/deep/x.webp", "notes.txt", ".hidden.png", ".cache/thumb.png"]:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def names(*words: str, listing: bytes | None = None) -> list[str]:
    return [str(path) for path in expand(words, None if listing is None else io.BytesIO(listing))]


def test_a_folder_gives_its_images_by_name_and_nothing_hidden(tree: Path) -> None:
    assert names(".") == ["a/y.tiff", "a/z.png", "b.JPG", "c/deep/x.webp"]


def test_a_hidden_folder_that_is_named_is_meant(tree: Path) -> None:
    assert names(".cache") == [".cache/thumb.png"]


def test_a_file_is_taken_whatever_its_ending_and_what_is_missing_stays_to_fail(tree: Path) -> None:
    assert names("notes.txt", "gone.jpg", "x" * 5000) == ["notes.txt", "gone.jpg", "x" * 5000]


def test_globs(tree: Path) -> None:
    assert names("*") == ["b.JPG"]
    assert names("**") == ["a/y.tiff", "a/z.png", "b.JPG", "c/deep/x.webp"]
    assert names("**/*.webp", "a/[yz].*") == ["c/deep/x.webp", "a/y.tiff", "a/z.png"]
    assert names("*.txt") == ["notes.txt"]


def test_a_name_with_brackets_is_that_file_before_it_is_a_glob(tree: Path) -> None:
    (tree / "b[1].png").touch()
    (tree / "b1.png").touch()
    assert names("b[1].png") == ["b[1].png"]


def test_linked_folders_are_followed_once_even_in_a_circle(tree: Path) -> None:
    (tree / "a" / "up").symlink_to(tree)
    (tree / "link").symlink_to(tree / "c")
    assert names("a") == ["a/up/b.JPG", "a/up/c/deep/x.webp", "a/y.tiff", "a/z.png"]
    assert names("link") == ["link/deep/x.webp"]


def test_a_list_is_read_line_by_line(tree: Path) -> None:
    listing = b"\xef\xbb\xbfa/z.png\r\n\n  \nc\nb[*].png\nspaced name .png\nlast.png"
    assert names("-", listing=listing) == ["a/z.png", "c/deep/x.webp", "b[*].png", "spaced name .png", "last.png"]


def test_a_list_keeps_names_that_are_not_utf8(tree: Path) -> None:
    (path,) = expand(["-"], io.BytesIO(b"caf\xe9.jpg\n"))
    assert os.fsencode(path) == b"caf\xe9.jpg"


@pytest.mark.parametrize("listing", [b"ok.png\n\x89PNG\0\0\n", b"ok.png\n" + b"x" * 100_000])
def test_a_list_that_is_not_text_is_refused_at_its_line(listing: bytes) -> None:
    with pytest.raises(DataError, match="line 2 of standard input"):
        names("-", listing=listing)


def test_a_list_is_read_as_it_comes() -> None:
    class Endless(io.RawIOBase):
        read_lines = 0

        def readline(self, size: int | None = -1, /) -> bytes:
            self.read_lines += 1
            return b"image%d.png\n" % self.read_lines

    stream = Endless()
    first = [str(path) for path in itertools.islice(expand(["-"], stream), 3)]  # type: ignore[arg-type]
    assert first == ["image1.png", "image2.png", "image3.png"]
    assert stream.read_lines == 3


def test_no_image_at_all_is_one_error_that_names_the_words(tree: Path) -> None:
    (tree / "empty").mkdir()
    with pytest.raises(DataError, match=r"no image was found in empty, \*\.bmp"):
        names("empty", "*.bmp")


def test_a_word_without_images_among_others_is_a_warning(tree: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "linearityiqa"):
        assert names("*.bmp", "b.JPG", "-", listing=b"\n") == ["b.JPG"]
    assert caplog.messages == ["no image was found in *.bmp, standard input"]


def test_wrong_words() -> None:
    with pytest.raises(ConfigError, match="empty"):
        names("")
    with pytest.raises(ConfigError, match="standard input"):
        names("-")


def test_a_folder_that_cannot_be_listed_stays_to_fail(
    tree: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    scandir = os.scandir

    def refuse(path: Path) -> object:
        if Path(path).name == "a":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert names(".") == ["a", "b.JPG", "c/deep/x.webp"]
    assert names("*/*.png") == ["a"]
    assert names("**/*.webp") == ["a", "c/deep/x.webp"]
    assert "cannot list" not in caplog.text  # their rows say it
    with pytest.raises(UnreadableImageError, match="cannot read a: Permission denied"):
        images.decode(Path("a"))


def test_a_link_to_itself_costs_no_other_image(tree: Path) -> None:
    (tree / "a" / "loop").symlink_to("loop")
    assert names("a") == ["a/loop", "a/y.tiff", "a/z.png"]
    with pytest.raises(UnreadableImageError, match="cannot read a/loop: Too many levels of symbolic links"):
        images.decode(Path("a/loop"))


@pytest.mark.parametrize(
    ("patterns", "left"),
    [
        (["z.png"], ["a/y.tiff", "b.JPG", "c/deep/x.webp"]),
        (["*.tiff", "*.webp"], ["a/z.png", "b.JPG"]),
        (["deep", "b.*"], ["a/y.tiff", "a/z.png"]),
        (["a/*"], ["b.JPG", "c/deep/x.webp"]),
    ],
)
def test_what_patterns_name_is_left_out_of_folders_and_globs(tree: Path, patterns: list[str], left: list[str]) -> None:
    for word in (".", "**", "*"):
        expected = [name for name in left if word != "*" or "/" not in name]
        found = [str(path) for path in expand([word, "notes.txt"], exclude=patterns)]
        assert found == [*expected, "notes.txt"]
        assert count([word, "notes.txt"], patterns) == len(found)


def test_folders_of_systems_are_left_out_with_a_line_unless_they_are_named(
    tree: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("a/@eaDir/z.png", "c/@eaDir/x.webp", "#recycle/old.jpg", "__MACOSX/b.jpg"):
        path = tree / name
        path.parent.mkdir()
        path.touch()
    for word in (".", "**"):
        caplog.clear()
        assert names(word) == ["a/y.tiff", "a/z.png", "b.JPG", "c/deep/x.webp"]
        assert caplog.messages[-1].startswith("4 folders skipped: @eaDir, ")
    assert names("a/@eaDir", "#recycle/*") == ["a/@eaDir/z.png", "#recycle/old.jpg"]


def test_paths_may_end_in_nul(tree: Path) -> None:
    (tree / "line\n.png").touch()
    listing = io.BufferedReader(io.BytesIO(b"a/z.png\0line\n.png\0\0c\0b.JPG"))
    found = [str(path) for path in expand(["-"], listing, null=True)]
    assert found == ["a/z.png", "line\n.png", "c/deep/x.webp", "b.JPG"]
    with pytest.raises(DataError, match="-0 what find -print0 prints"):
        names("-", listing=b"a/z.png\0b.JPG\0")
    with pytest.raises(DataError, match="line 2 of standard input"):
        list(expand(["-"], io.BytesIO(b"a\0" + b"x" * 100_000), null=True))


def test_what_databases_take_for_images_folders_give_too(tmp_path: Path) -> None:
    # oracle: the list that find_images goes by
    for number, suffix in enumerate(sorted(inputs.IMAGE_SUFFIXES)):
        (tmp_path / f"{number:02d}{suffix}").touch()
    assert {".mpo", ".apng", ".jpx", ".j2c"} < inputs.IMAGE_SUFFIXES
    assert len(names(str(tmp_path))) == len(inputs.IMAGE_SUFFIXES)


def test_files_of_a_folder_that_are_no_images_are_counted_in_one_line(tmp_path, caplog):
    for name in ("b.cr2", "c.CR2", "d.dng", ".hidden.txt", "a.png.xmp"):
        (tmp_path / name).touch()
    with pytest.raises(DataError, match="no image was found in"):
        names(str(tmp_path))
    assert caplog.messages == ["3 files skipped: .cr2, .dng"]


def test_an_address_is_called_one():
    with pytest.raises(ConfigError, match=r"https://example.com/a.jpg is an address, not a file. .* --ray"):
        list(expand(["https://example.com/a.jpg"]))


def test_images_are_counted_first_where_that_is_cheap(tmp_path):
    for name in ("a.png", "b.jpg", "c.txt"):
        (tmp_path / name).touch()
    words = [tmp_path, str(tmp_path / "*.png"), "absent.jpg"]
    assert count(words) == len(list(expand(words))) == 4
    assert count(["-"]) is None


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


@pytest.mark.parametrize(
    ("word", "found"),
    [("", ["b.jpg", "deep/a.PNG", "empty.jpg"]), ("/b*", ["b.jpg"]), ("/notes.txt", ["notes.txt"])],
)
def test_an_address_names_a_folder_a_glob_or_an_object(bucket, word, found):
    assert list(expand_url(f"{bucket}{word}")) == [f"memory:///bucket/{name}" for name in found]


def test_an_object_is_read(bucket):
    assert read_url(f"{bucket}/notes.txt") == b"notes.txt"


@pytest.mark.parametrize(("name", "reason"), [("none.jpg", "does not exist"), ("empty.jpg", "is empty")])
def test_what_cannot_be_read_is_named(bucket, name, reason):
    with pytest.raises(UnreadableImageError, match=rf"{name}.*{reason}"):
        read_url(f"{bucket}/{name}")


def test_content_is_bounded(bucket, monkeypatch):
    monkeypatch.setattr(inputs, "MAX_FILE_BYTES", 4)
    with pytest.raises(UnreadableImageError, match="more than the 4 bytes"):
        read_url(f"{bucket}/b.jpg")
    assert images.MAX_FILE_BYTES > 4


def test_an_unknown_protocol_is_told(bucket):
    with pytest.raises(DataError, match="cannot open nothing://a"):
        list(expand_url("nothing://a/b.jpg"))
