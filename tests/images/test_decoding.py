"""Oracles: pixel values known by construction, and the one-sentence rule for errors."""

import contextlib
import io
import random
import struct
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image, ImageFile

from linearityiqa.errors import UnreadableImageError
from linearityiqa.images import decode, image_size, to_rgb
from pictures import encoded, grey_tiff, make_picture, png, refusal

ORIENTATION = 0x0112
PHOTO = make_picture(1, (24, 32))


def same(image: Image.Image, other: Image.Image) -> bool:
    return np.array_equal(np.asarray(image), np.asarray(other))


@pytest.mark.parametrize("image_format", ["PNG", "BMP", "TIFF", "PPM"])
def test_lossless_formats_give_the_pixels_that_were_saved(image_format):
    decoded = decode(encoded(PHOTO, image_format))
    assert same(decoded.image, PHOTO)
    assert decoded.notes == ()


def test_a_jpeg_gives_pillows_own_decoding_of_the_whole_image():
    content = encoded(PHOTO, "JPEG")
    assert same(decode(content).image, Image.open(io.BytesIO(content)))


def test_the_format_is_read_from_the_content_not_from_the_name(tmp_path):
    path = tmp_path / "photo.jpg"
    path.write_bytes(encoded(PHOTO))
    assert same(decode(path).image, PHOTO)


@pytest.mark.parametrize("mode", ["L", "1", "P", "RGBA"])
def test_grey_one_bit_palette_and_opaque_images_become_rgb_without_loss(mode):
    image = PHOTO.convert(mode)
    decoded = decode(encoded(image))
    assert same(decoded.image, image.convert("RGB"))
    assert decoded.notes == ()


def test_cmyk_is_converted_and_noted():
    white = Image.new("CMYK", (8, 8), (0, 0, 0, 0))
    decoded = decode(encoded(white, "TIFF"))
    assert np.asarray(decoded.image).min() == 255
    assert decoded.notes == decode(encoded(white, "JPEG")).notes == ("CMYK converted to RGB",)


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparency_shows_white(mode):
    image = Image.new(mode, (3, 1))
    level = (0,) * (len(mode) - 1)
    for x, opacity in enumerate((0, 255, 51)):  # invisible, solid, 20 % of black
        image.putpixel((x, 0), (*level, opacity))
    for decoded in (decode(encoded(image)), to_rgb(image)):
        assert np.asarray(decoded.image)[0].tolist() == [[255] * 3, [0] * 3, [204] * 3]
        assert decoded.notes == ("alpha composited on white",)


def test_a_transparent_palette_entry_shows_white():
    image = Image.new("P", (2, 1))
    image.putpalette([0, 0, 0, 10, 20, 30])
    image.putpixel((1, 0), 1)
    decoded = decode(encoded(image, "GIF", transparency=0))
    assert np.asarray(decoded.image)[0].tolist() == [[255] * 3, [10, 20, 30]]
    assert decoded.notes == ("alpha composited on white",)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param(png(4, 1, 16, 0, struct.pack(">4H", 0, 1000, 32768, 65535)), [0, 4, 128, 255], id="grey PNG"),
        pytest.param(png(2, 1, 16, 2, struct.pack(">6H", 257, 0, 0, 65535, 0, 0)), [1, 255], id="RGB PNG"),
        pytest.param(png(1, 1, 16, 4, struct.pack(">2H", 65535, 65535)), [255], id="grey PNG with alpha"),
        pytest.param(b"P5 3 1 65535 " + struct.pack(">3H", 0, 32768, 65535), [0, 128, 255], id="PGM"),
        pytest.param(grey_tiff(struct.pack("<2H", 257, 65535), 2, 16, 1), [1, 255], id="TIFF"),
        pytest.param(grey_tiff(struct.pack("<2H", 0, 65535), 2, 16, 0), [255, 0], id="TIFF, white is zero"),
        pytest.param(grey_tiff(bytes([0xFF, 0xF8, 0x00]), 2, 12, 1), [255, 128], id="12-bit TIFF"),
    ],
)
def test_16_bits_are_scaled_and_not_clipped(content, expected):
    """65535 is 257 * 255: level v of 8 bits is 257 v of 16."""
    assert np.asarray(decode(content).image)[0, :, 0].tolist() == expected


@pytest.mark.parametrize("colour", [0, 2])
def test_16_bits_are_noted(colour):
    assert decode(png(1, 1, 16, colour, bytes(2 + 2 * colour))).notes == ("16-bit reduced to 8-bit",)


def test_the_primary_picture_of_a_multi_picture_jpeg_is_taken():
    decoded = decode(encoded(PHOTO, "MPO", save_all=True, append_images=[Image.new("RGB", PHOTO.size)]))
    assert same(decoded.image, decode(encoded(PHOTO, "JPEG")).image)
    assert decoded.notes == ("primary picture of a multi-picture JPEG",)


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied_when_asked(image_format, orientation, tmp_path):
    """The corner that is bright in an upright view, by the table of the EXIF standard (CIPA DC-008, 4.6.5)."""
    sides = {
        1: ("top", "left"),
        2: ("top", "right"),
        3: ("bottom", "right"),
        4: ("bottom", "left"),
        5: ("left", "top"),
        6: ("right", "top"),
        7: ("right", "bottom"),
        8: ("left", "bottom"),
    }[orientation]
    image = Image.new("RGB", (48, 32))
    image.paste("white", (0, 0, 16, 16))  # where row 0 meets column 0
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    path = tmp_path / "turned"
    path.write_bytes(encoded(image, image_format, exif=exif))

    upright = decode(path, exif_rotation=True)
    pixels = np.asarray(upright.image.convert("L"))
    y, x = (0 if "top" in sides else -1), (0 if "left" in sides else -1)
    assert pixels[y, x] > 250
    assert pixels.mean() < 60
    assert image_size(path, exif_rotation=True) == pixels.shape
    assert ("EXIF orientation applied" in upright.notes) == (orientation != 1)

    as_stored = decode(path)
    assert as_stored.notes == ()
    assert np.asarray(as_stored.image)[0, 0, 0] > 250
    assert image_size(path) == (32, 48)


@pytest.mark.parametrize("exif_rotation", [False, True])
def test_the_orientation_of_a_tiff_is_always_applied(exif_rotation, tmp_path):
    path = tmp_path / "turned.tif"
    path.write_bytes(encoded(Image.new("RGB", (48, 32)), "TIFF", tiffinfo={ORIENTATION: 6}))
    assert decode(path, exif_rotation=exif_rotation).image.size == (32, 48)
    assert image_size(path, exif_rotation=exif_rotation) == (48, 32)


@pytest.mark.parametrize(
    "exif", [b"Exif\0\0nonsense", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0MM\0*\0\0\0\x08\xff\xff\x01"]
)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_damaged_exif_does_not_cost_the_picture(exif, tmp_path):
    path = tmp_path / "photo.jpg"
    path.write_bytes(encoded(PHOTO, "JPEG", exif=exif))
    assert decode(path, exif_rotation=True).image.size == (32, 24)
    assert image_size(path, exif_rotation=True) == (24, 32)


def test_damaged_exif_is_noted():
    content = encoded(PHOTO, "WEBP", exif=b"nonsense")
    assert decode(content, exif_rotation=True).notes == ("damaged EXIF ignored",)
    assert decode(content).notes == ()


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "PPM", "JPEG2000"])
def test_a_truncated_file_is_refused(image_format, tmp_path):
    content = encoded(make_picture(1, (96, 128)), image_format)
    path = tmp_path / "half"
    path.write_bytes(content[: len(content) // 2])
    assert str(path) in refusal(path)


@pytest.mark.parametrize(
    ("image_format", "end"),
    [("PNG", 12), ("GIF", 2), ("JPEG2000", 2), ("WEBP", 0), ("TIFF", 0), ("BMP", 0), ("PPM", 0)],
)
def test_a_file_that_was_cut_and_ended_properly_is_refused(image_format, end):
    """The cut file has its last bytes, and its header the new length; JPEG has a module of its own."""
    content = encoded(make_picture(1, (96, 128)), image_format)
    cut = content[: len(content) // 4 * 2] + content[len(content) - end :]
    if image_format == "WEBP":  # the lengths of the file and of its only chunk
        cut = b"RIFF" + struct.pack("<I", len(cut) - 8) + b"WEBPVP8 " + struct.pack("<I", len(cut) - 20) + cut[20:]
    if image_format == "BMP":
        cut = cut[:2] + struct.pack("<I", len(cut)) + cut[6:]
    assert "cannot decode" in refusal(cut)


@pytest.mark.parametrize(("mode", "kind"), [("F", "floating-point"), ("I", "32-bit integer"), ("LAB", "Lab")])
def test_samples_without_a_defined_white_are_refused(mode, kind):
    assert kind in refusal(encoded(Image.new(mode, (4, 4)), "TIFF"))


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP", "GIF"])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_random_damage_never_raises_anything_else(image_format, tmp_path):
    """Property: any bytes decode, to the size in their header, or are refused."""
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    content = encoded(PHOTO, image_format, **({} if image_format == "GIF" else {"exif": exif}))
    rng = random.Random(image_format)
    path = tmp_path / "damaged"
    for _ in range(200):
        damaged = bytearray(content)
        for _ in range(rng.choice((1, 1, 4, 30))):
            damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        if rng.random() < 0.3:
            del damaged[rng.randrange(len(damaged)) :]
        path.write_bytes(damaged)
        with contextlib.suppress(UnreadableImageError):
            image_size(path, exif_rotation=True, max_pixels=100_000)
        with contextlib.suppress(UnreadableImageError):
            decoded = decode(path, exif_rotation=True, max_pixels=100_000)
            assert decoded.image.mode == "RGB"
            assert image_size(path, exif_rotation=True) == (decoded.image.height, decoded.image.width)


def test_images_are_decoded_in_threads_as_in_one():
    content = encoded(make_picture(1, (200, 300)), "JPEG")
    with ThreadPoolExecutor(8) as threads:
        images = list(threads.map(lambda _: decode(content).image, range(8)))
    assert all(same(image, decode(content).image) for image in images)


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "PPM", "JPEG2000"])
def test_the_size_comes_from_the_header(image_format, tmp_path, monkeypatch):
    path = tmp_path / "photo"
    path.write_bytes(encoded(PHOTO, image_format))
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda _: pytest.fail("decoded"))
    assert image_size(path) == (24, 32)


def test_real_photographs_decode_as_pillow_does(real_data):
    for path in sorted((real_data / "biq2021").rglob("*.jpg"))[:3]:
        with Image.open(path) as reference:
            assert same(decode(path).image, reference.convert("RGB"))
            assert image_size(path) == (reference.height, reference.width)
