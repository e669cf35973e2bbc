"""Images that are refused before they are decoded, each in one sentence."""

import contextlib
import io
import os
import re
import struct
import warnings
from pathlib import Path

import pytest
from PIL import Image, ImageFile

from linearityiqa.errors import UnreadableImageError
from linearityiqa.images import decode, image_size, opening
from pictures import encoded, grey_tiff, make_picture, png, refusal, tiff

PHOTO = make_picture(1, (24, 32))


@pytest.fixture
def never_decoded(monkeypatch):
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda _: pytest.fail("decoded"))


def test_files_that_cannot_be_read_are_refused_without_blocking(tmp_path):
    empty, pipe, missing = tmp_path / "empty.jpg", tmp_path / "pipe", tmp_path / "nowhere.jpg"
    empty.touch()
    os.mkfifo(pipe)
    reasons = {
        missing: f"{missing} does not exist.",
        tmp_path: f"{tmp_path} is a folder",
        Path("a\0b.jpg"): "cannot read",
        Path("x" * 300): "cannot read",
        pipe: f"{pipe} is not a regular file",
        empty: f"{empty} is empty",
    }
    for path, reason in reasons.items():
        assert refusal(path).startswith(reason)
        with pytest.raises(UnreadableImageError, match=re.escape(reason)):
            image_size(path)
    assert refusal(b"", name="upload.jpg").startswith("upload.jpg is empty")


@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may read everything")
def test_a_forbidden_file_is_refused(tmp_path):
    path = tmp_path / "secret.png"
    path.write_bytes(encoded(PHOTO))
    path.chmod(0)
    assert "Permission denied" in refusal(path)


def test_a_file_of_too_many_bytes_is_refused_unread(tmp_path, monkeypatch):
    path = tmp_path / "photo.png"
    path.write_bytes(encoded(PHOTO))
    monkeypatch.setattr(opening, "MAX_FILE_BYTES", 100)
    assert "more than the 100 allowed" in refusal(path)


@pytest.mark.parametrize(
    "content", [b"not an image at all", b"P", b"\xff\xd8\xff", b"%!PS-Adobe-3.0 EPSF-3.0\n", b"GIF89a"]
)
def test_content_of_another_kind_is_refused(content):
    assert re.search("not an image|cannot decode", refusal(content))


def test_formats_that_need_outside_programs_are_not_even_recognised():
    content = encoded(PHOTO, "EPS")
    assert Image.open(io.BytesIO(content)).format == "EPS"
    assert "is not an image" in refusal(content)


@pytest.mark.parametrize("image_format", ["GIF", "WEBP", "PNG", "TIFF"])
def test_animations_are_refused(image_format):
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "green", "blue")]
    content = encoded(frames[0], image_format, save_all=True, append_images=frames[1:])
    assert "animated or has several pages" in refusal(content)


@pytest.mark.usefixtures("never_decoded")
def test_a_decompression_bomb_is_refused_by_its_header(tmp_path):
    path = tmp_path / "bomb.png"
    path.write_bytes(png(60_000, 60_000, 8, 2, b""))
    message = refusal(path)
    assert "60000 x 60000 pixels are 3600.0 megapixels, more than the 100 allowed" in message
    assert "(--max_megapixels)" in message
    assert "the 0.0005 allowed" in refusal(encoded(PHOTO), max_pixels=500)
    with pytest.raises(UnreadableImageError, match="too large"):
        image_size(path)


@pytest.mark.usefixtures("never_decoded")
def test_a_header_without_a_picture_is_refused():
    """A JPEG 2000 of 32 x 32 whose header says 7000 x 7000 takes seconds and a gigabyte to decode to nothing."""
    content = bytearray(encoded(Image.new("RGB", (32, 32), "red"), "JPEG2000"))
    box, size = content.find(b"ihdr") + 4, content.find(b"\xff\x51") + 6
    for place in (box, size, size + 16):  # the box, the codestream's size and that of its only tile
        content[place : place + 8] = struct.pack(">II", 7000, 7000)
    assert f"declares 7000 x 7000 pixels and has {len(content)} bytes" in refusal(bytes(content))


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP", "TIFF", "GIF", "JPEG2000"])
def test_a_plain_picture_is_not_taken_for_a_header_without_one(image_format):
    gradient = Image.linear_gradient("L").resize((1500, 1000))
    assert decode(encoded(gradient.convert("RGB"), image_format)).image.size == (1500, 1000)


@pytest.mark.usefixtures("never_decoded")
def test_a_tile_larger_than_the_limit_is_refused_by_its_header():
    """libtiff decodes a tile whole, however small the image in it is."""
    tags = {256: 64, 257: 64, 258: 8, 259: 8, 262: 1, 277: 1, 322: 46336, 323: 46336, 324: 200, 325: 9}
    assert "46336 x 46336 pixels are 2147.0 megapixels, more than the 100 allowed" in refusal(tiff(tags, bytes(9)))


def test_a_tile_within_the_limit_is_decoded():
    assert decode(encoded(PHOTO, "TIFF", compression="tiff_deflate", tile_size=(16, 16))).image.size == (32, 24)


@pytest.mark.parametrize("tag", [{254: 1}, {50706: b"\1\4\0\0"}])
def test_the_preview_of_a_raw_file_is_refused(tag, tmp_path):
    """The first directory of DNG and NEF is a preview (NewSubfileType 1); the picture is in a SubIFD."""
    path = tmp_path / "photo.tif"
    path.write_bytes(encoded(PHOTO, "TIFF", tiffinfo=tag))
    assert "camera's raw file" in refusal(path)
    with pytest.raises(UnreadableImageError, match="raw file"):
        image_size(path)


def test_a_cr2_file_is_refused():
    """It says so behind the TIFF header; its first directory is a JPEG preview."""
    plain = grey_tiff(bytes(2), 2, 8, 1)
    content = plain[:4] + struct.pack("<I", 16) + b"CR\2\0\0\0\0\0" + plain[8:192] + plain[200:]
    assert "camera's raw file" in refusal(content)


def test_libtiff_does_not_write_to_standard_error(capfd):
    """A damaged fax page gives a line for each row, 122 MB in a file that is meant to."""
    page = bytearray(encoded(Image.effect_noise((500, 500), 100).convert("1"), "TIFF", compression="group3"))
    for place in range(1000, len(page) - 1000, 50):
        page[place] ^= 3
    with contextlib.suppress(UnreadableImageError):
        decode(bytes(page))
    assert capfd.readouterr().err == ""


def test_pillows_limit_is_neither_consulted_nor_changed(monkeypatch):
    """Pillow would warn above its limit and refuse above twice that; ours alone counts."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert decode(encoded(PHOTO)).image.size == (32, 24)
    assert Image.MAX_IMAGE_PIXELS == 10
    assert not ImageFile.LOAD_TRUNCATED_IMAGES
    with pytest.raises(UnreadableImageError, match="too large to decode"), opening.explained("x.png"):
        Image.open(io.BytesIO(encoded(PHOTO)))  # a bomb that Pillow finds itself


def test_lack_of_memory_is_explained(monkeypatch):
    def exhausted(_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(ImageFile.ImageFile, "load", exhausted)
    assert "not enough memory" in refusal(encoded(PHOTO, "BMP"))
