"""Oracle: the size and the shape of the picture that went in, by Pillow."""

import io
from pathlib import Path

import pytest
from PIL import Image

from linearityiqa.errors import ImageTooLargeError
from linearityiqa.images.thumbnails import read_thumbnail, shrink, thumbnail
from pictures import make_picture


def test_thumbnails_shrink_to_a_share_of_the_room() -> None:
    content = thumbnail(make_picture(3, (400, 600))).content
    small = shrink(content, 1500)
    assert len(small) <= 1500 < len(content)
    copy, original = (Image.open(io.BytesIO(c)) for c in (small, content))
    assert copy.width / copy.height == pytest.approx(original.width / original.height, rel=0.05)


def test_a_photograph_is_read_upright_in_its_shape(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter
    make_picture(9, (1000, 2000)).save(tmp_path / "a.jpg", exif=exif)
    found = read_thumbnail(tmp_path / "a.jpg", 80_000)
    assert found.size == (1000, 2000)
    assert Image.open(io.BytesIO(found.content)).size == (200, 400)


def test_a_file_that_must_not_be_decoded_is_refused(tmp_path: Path) -> None:
    make_picture(1).save(tmp_path / "a.png")
    with pytest.raises(ImageTooLargeError, match="megapixels"):
        read_thumbnail(tmp_path / "a.png", max_pixels=100)
