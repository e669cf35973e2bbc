"""HEIF photographs. Oracle: the pixels that were encoded, without loss where libheif can."""

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from linearityiqa.errors import UnreadableImageError
from linearityiqa.images import decode, image_size
from linearityiqa.scoring.inputs import IMAGE_SUFFIXES

pillow_heif = pytest.importorskip("pillow_heif", reason="the extra heif is not installed")


def shaded(height: int = 48, width: int = 80) -> Image.Image:
    across, down = np.linspace(0, 1, width), np.linspace(0, 1, height)[:, None]
    pixels = np.stack([255 * across + 0 * down, 255 * down + 0 * across, 128 + 0 * (across + down)], axis=-1)
    return Image.fromarray(pixels.astype(np.uint8))


def write(path: Path, *images: Image.Image, **options) -> Path:
    file = pillow_heif.HeifFile()
    for image in images:
        file.add_from_pillow(image)
    file.save(path, quality=95, chroma=444, **options)
    return path


def test_pixels_and_note(tmp_path: Path) -> None:
    path = write(tmp_path / "a.heic", shaded())
    decoded = decode(path)
    assert decoded.notes == ("decoded from HEIF",)
    difference = np.abs(np.asarray(decoded.image, dtype=int) - np.asarray(shaded(), dtype=int))
    assert difference.mean() < 3
    assert image_size(path) == (48, 80)
    assert ".heic" in IMAGE_SUFFIXES


def test_the_orientation_is_applied_once(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    upright = decode(write(tmp_path / "a.heic", shaded(), exif=exif.tobytes()), exif_rotation=True)
    assert upright.image.size == (48, 80)  # width, height


def test_an_embedded_profile_is_applied(tmp_path: Path) -> None:
    image = shaded()
    image.info["icc_profile"] = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert "decoded from HEIF" in decode(write(tmp_path / "a.heic", image), colour_profile=True).notes


def test_of_several_pictures_the_primary_one_is_taken(tmp_path: Path) -> None:
    path = write(tmp_path / "a.heic", shaded(), Image.new("RGB", (80, 48), "red"))
    decoded = decode(path)
    assert decoded.notes[0] == "primary picture of a multi-picture HEIF"
    assert np.asarray(decoded.image).std() > 20


def test_what_is_too_large_is_refused_before_it_is_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.heic", shaded())
    monkeypatch.setattr(pillow_heif.HeifImageFile, "load", lambda self: pytest.fail("it was decoded"))
    with pytest.raises(UnreadableImageError, match="megapixels"):
        decode(path, max_pixels=1000)


@pytest.mark.parametrize("keep", [16, 100, 400])
def test_damaged_files_are_one_sentence(tmp_path: Path, keep: int) -> None:
    path = write(tmp_path / "a.heic", shaded())
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(UnreadableImageError, match=r"a\.heic"):
        decode(path)


def test_without_the_extra_its_name_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.heic", shaded())
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(UnreadableImageError, match=r"a\.heic is a HEIF photograph, which .*linearityiqa\[heif\]"):
        decode(path)
