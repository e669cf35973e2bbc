"""Oracles: pixel values known by construction, and the one-sentence rule for errors."""

import contextlib
import io
import os
import random
import re
import struct
import threading
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFile

from linearityiqa.errors import UnreadableImageError
from linearityiqa.images import (
    decode,
    decoding,
    image_size,
    to_rgb,
)

ORIENTATION = 0x0112
LOSSLESS = ("PNG", "BMP", "TIFF", "PPM")


def photo(height: int = 24, width: int = 32) -> Image.Image:
    ramp = np.linspace(0, 255, height * width * 3).reshape(height, width, 3)
    noise = np.random.default_rng(5).uniform(0, 60, ramp.shape)
    return Image.fromarray(np.clip(ramp + noise, 0, 255).astype(np.uint8))


def encoded(image: Image.Image, image_format: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, image_format, **options)
    return stream.getvalue()


def png(width: int, height: int, depth: int, colour: int, samples: bytes, extra: bytes = b"") -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    rows = zlib.compress(b"\0" + samples)
    return b"\x89PNG\r\n\x1a\n" + header + extra + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def tiff(tags: list[tuple[int, int]], data: bytes) -> bytes:
    """A TIFF of these whole numbers, with data at the place 200."""
    directory = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    return (b"II*\0" + struct.pack("<I", 8) + directory).ljust(200, b"\0") + data


def grey_tiff(samples: bytes, width: int, bits: int, photometric: int) -> bytes:
    """A TIFF of one row, as Pillow cannot write it."""
    tags = [
        (256, width),
        (257, 1),
        (258, bits),
        (259, 1),
        (262, photometric),
        (273, 200),
        (277, 1),
        (279, len(samples)),
    ]
    return tiff(tags, samples)


def first_row(content: bytes) -> list[int]:
    return np.asarray(decode(content).image)[0, :, 0].tolist()


def refusal(source: Path | bytes, **options: object) -> str:
    """The message of the refusal, which must be one or two plain sentences and no traceback."""
    with pytest.raises(UnreadableImageError) as caught:
        decode(source, **options)
    message = str(caught.value)
    assert "\n" not in message
    assert message.endswith(".")
    assert len(message) < 400
    return message


# --- what is decoded ------------------------------------------------------------------------------


@pytest.mark.parametrize("image_format", LOSSLESS)
def test_lossless_formats_give_the_pixels_that_were_saved(image_format):
    decoded = decode(encoded(photo(), image_format))
    assert np.array_equal(np.asarray(decoded.image), np.asarray(photo()))
    assert decoded.notes == ()


def test_a_jpeg_gives_pillows_own_decoding_of_the_whole_image():
    content = encoded(photo(), "JPEG")
    assert np.array_equal(np.asarray(decode(content).image), np.asarray(Image.open(io.BytesIO(content))))


def test_a_file_and_its_content_decode_alike(tmp_path):
    path = tmp_path / "photo.png"
    path.write_bytes(encoded(photo(), "PNG"))
    assert np.array_equal(np.asarray(decode(path).image), np.asarray(decode(path.read_bytes()).image))


def test_the_format_is_read_from_the_content_not_from_the_name(tmp_path):
    path = tmp_path / "photo.jpg"
    path.write_bytes(encoded(photo(), "PNG"))
    assert np.array_equal(np.asarray(decode(path).image), np.asarray(photo()))


@pytest.mark.parametrize("mode", ["L", "1", "P"])
def test_grey_one_bit_and_palette_become_rgb_without_loss(mode):
    image = photo().convert(mode)
    decoded = decode(encoded(image, "PNG"))
    assert np.array_equal(np.asarray(decoded.image), np.asarray(image.convert("RGB")))
    assert decoded.notes == ()


def test_cmyk_is_converted_and_noted():
    white = Image.new("CMYK", (8, 8), (0, 0, 0, 0))
    decoded = decode(encoded(white, "TIFF"))
    assert np.asarray(decoded.image).min() == 255
    assert decoded.notes == ("CMYK converted to RGB",)
    assert decode(encoded(white, "JPEG")).notes == decoded.notes


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparency_shows_white(mode):
    image = Image.new(mode, (3, 1))
    level = (0,) * (len(mode) - 1)
    for x, opacity in enumerate((0, 255, 51)):  # invisible, solid, 20 % of black
        image.putpixel((x, 0), (*level, opacity))
    decoded = decode(encoded(image, "PNG"))
    assert np.asarray(decoded.image)[0].tolist() == [[255] * 3, [0] * 3, [204] * 3]
    assert decoded.notes == ("alpha composited on white",)


def test_a_transparent_palette_entry_shows_white():
    image = Image.new("P", (2, 1))
    image.putpalette([0, 0, 0, 10, 20, 30])
    image.putpixel((1, 0), 1)
    decoded = decode(encoded(image, "GIF", transparency=0))
    assert np.asarray(decoded.image)[0].tolist() == [[255] * 3, [10, 20, 30]]
    assert decoded.notes == ("alpha composited on white",)


def test_opaque_alpha_changes_nothing_and_is_not_noted():
    decoded = decode(encoded(photo().convert("RGBA"), "PNG"))
    assert np.array_equal(np.asarray(decoded.image), np.asarray(photo()))
    assert decoded.notes == ()


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
    assert first_row(content) == expected
    if b"\x10" in content[:40]:
        assert "16-bit reduced to 8-bit" in decode(content).notes


def test_16_bit_rgb_is_noted():
    assert decode(png(1, 1, 16, 2, bytes(6))).notes == ("16-bit reduced to 8-bit",)


def test_the_primary_picture_of_a_multi_picture_jpeg_is_taken():
    second = Image.new("RGB", photo().size)
    decoded = decode(encoded(photo(), "MPO", save_all=True, append_images=[second]))
    single = decode(encoded(photo(), "JPEG"))
    assert np.array_equal(np.asarray(decoded.image), np.asarray(single.image))
    assert decoded.notes == ("primary picture of a multi-picture JPEG",)


def test_a_pillow_image_gets_the_same_conversion():
    image = Image.new("RGBA", (2, 2), (0, 0, 0, 0))
    converted = to_rgb(image)
    assert np.asarray(converted.image).min() == 255
    assert converted.notes == ("alpha composited on white",)


# --- orientation ----------------------------------------------------------------------------------


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied_when_asked(image_format, orientation, tmp_path):
    """The corner that is bright in an upright view, by the table of the EXIF standard (CIPA DC-008, 4.6.5)."""
    row_0_is, column_0_is = {
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
    sides = {row_0_is, column_0_is}
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
    path.write_bytes(encoded(photo(), "JPEG", exif=exif))
    assert decode(path, exif_rotation=True).image.size == (32, 24)
    assert image_size(path, exif_rotation=True) == (24, 32)


def test_damaged_exif_is_noted():
    content = encoded(photo(), "WEBP", exif=b"nonsense")
    assert decode(content, exif_rotation=True).notes == ("damaged EXIF ignored",)
    assert decode(content).notes == ()


# --- what is refused ------------------------------------------------------------------------------


def test_a_missing_file_is_named(tmp_path):
    path = tmp_path / "nowhere.jpg"
    assert refusal(path).startswith(f"{path} does not exist.")
    with pytest.raises(UnreadableImageError, match="does not exist"):
        image_size(path)


def test_a_folder_is_refused(tmp_path):
    assert "is a folder" in refusal(tmp_path)


@pytest.mark.parametrize("name", ["a\0b.jpg", "x" * 300])
def test_an_impossible_name_is_refused(name):
    assert "cannot read" in refusal(Path(name))


def test_a_named_pipe_is_refused_without_blocking(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    assert "not a regular file" in refusal(path)


@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may read everything")
def test_a_forbidden_file_is_refused(tmp_path):
    path = tmp_path / "secret.png"
    path.write_bytes(encoded(photo(), "PNG"))
    path.chmod(0)
    assert "Permission denied" in refusal(path)


def test_an_empty_file_is_refused(tmp_path):
    path = tmp_path / "empty.jpg"
    path.touch()
    assert refusal(path).startswith(f"{path} is empty")
    assert refusal(b"", name="upload.jpg").startswith("upload.jpg is empty")


def test_a_file_of_too_many_bytes_is_refused_unread(tmp_path, monkeypatch):
    path = tmp_path / "photo.png"
    path.write_bytes(encoded(photo(), "PNG"))
    monkeypatch.setattr(decoding, "MAX_FILE_BYTES", 100)
    assert "more than the 100 allowed" in refusal(path)
    with pytest.raises(UnreadableImageError, match="more than the 100 allowed"):
        image_size(path)


@pytest.mark.parametrize(
    "content", [b"not an image at all", b"P", b"\xff\xd8\xff", b"%!PS-Adobe-3.0 EPSF-3.0\n", b"GIF89a"]
)
def test_what_is_no_image_is_refused(content):
    assert re.search("not an image|cannot decode", refusal(content))


def test_formats_that_need_outside_programs_are_not_even_recognised(tmp_path):
    path = tmp_path / "drawing.eps"
    path.write_bytes(encoded(photo(), "EPS"))
    assert Image.open(path).format == "EPS"
    assert "is not an image" in refusal(path)


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "PPM", "JPEG2000"])
def test_a_truncated_file_is_refused(image_format, tmp_path):
    content = encoded(photo(96, 128), image_format)
    path = tmp_path / "half"
    path.write_bytes(content[: len(content) // 2])
    assert str(path) in refusal(path)


@pytest.mark.parametrize(
    ("image_format", "end"),
    [("PNG", 12), ("GIF", 2), ("JPEG2000", 2), ("WEBP", 0), ("TIFF", 0), ("BMP", 0), ("PPM", 0)],
)
def test_a_file_that_was_cut_and_ended_properly_is_refused(image_format, end):
    """The cut file has its last bytes, and its header the new length; JPEG has a module of its own."""
    content = encoded(photo(96, 128), image_format)
    cut = content[: len(content) // 4 * 2] + content[len(content) - end :]
    if image_format == "WEBP":  # the lengths of the file and of its only chunk
        cut = b"RIFF" + struct.pack("<I", len(cut) - 8) + b"WEBPVP8 " + struct.pack("<I", len(cut) - 20) + cut[20:]
    if image_format == "BMP":
        cut = cut[:2] + struct.pack("<I", len(cut)) + cut[6:]
    assert "cannot decode" in refusal(cut)


@pytest.mark.parametrize("image_format", ["GIF", "WEBP", "PNG", "TIFF"])
def test_animations_are_refused(image_format):
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "green", "blue")]
    content = encoded(frames[0], image_format, save_all=True, append_images=frames[1:])
    assert "animated or has several pages" in refusal(content)


def test_a_gif_of_one_frame_is_accepted():
    assert decode(encoded(photo(), "GIF")).image.size == (32, 24)


@pytest.mark.parametrize(("mode", "kind"), [("F", "floating-point"), ("I", "32-bit integer"), ("LAB", "Lab")])
def test_samples_without_a_defined_white_are_refused(mode, kind):
    assert kind in refusal(encoded(Image.new(mode, (4, 4)), "TIFF"))


def test_a_decompression_bomb_is_refused_by_its_header(monkeypatch):
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda _: pytest.fail("decoded"))
    message = refusal(png(60_000, 60_000, 8, 2, b""))
    assert "60000 x 60000 pixels are 3600.0 megapixels, more than the 100 allowed" in message
    assert "(--max_megapixels)" in message
    assert "the 0.0005 allowed" in refusal(encoded(photo(), "PNG"), max_pixels=500)


def test_a_header_without_a_picture_is_refused(monkeypatch):
    """A JPEG 2000 of 32 x 32 whose header says 7000 x 7000 takes seconds and a gigabyte to decode to nothing."""
    content = bytearray(encoded(Image.new("RGB", (32, 32), "red"), "JPEG2000"))
    box, size = content.find(b"ihdr") + 4, content.find(b"\xff\x51") + 6
    for place in (box, size, size + 16):  # the box, the codestream's size and that of its only tile
        content[place : place + 8] = struct.pack(">II", 7000, 7000)
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda _: pytest.fail("decoded"))
    assert f"declares 7000 x 7000 pixels and has {len(content)} bytes" in refusal(bytes(content))


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP", "TIFF", "GIF", "JPEG2000"])
def test_a_plain_picture_is_not_taken_for_a_header_without_one(image_format):
    gradient = Image.linear_gradient("L").resize((1500, 1000))
    assert decode(encoded(gradient.convert("RGB"), image_format)).image.size == (1500, 1000)


def test_a_tile_larger_than_the_limit_is_refused_by_its_header(monkeypatch):
    """libtiff decodes a tile whole, however small the image in it is."""
    tags = [
        (256, 64),
        (257, 64),
        (258, 8),
        (259, 8),
        (262, 1),
        (277, 1),
        (322, 46336),
        (323, 46336),
        (324, 200),
        (325, 9),
    ]
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda _: pytest.fail("decoded"))
    assert "46336 x 46336 pixels are 2147.0 megapixels, more than the 100 allowed" in refusal(tiff(tags, bytes(9)))
    tiled = encoded(photo(), "TIFF", compression="tiff_deflate", tile_size=(16, 16))
    monkeypatch.undo()
    assert decode(tiled).image.size == (32, 24)


@pytest.mark.parametrize("tag", [{254: 1}, {50706: b"\1\4\0\0"}])
def test_the_preview_of_a_raw_file_is_refused(tag, tmp_path):
    """The first directory of DNG and NEF is a preview (NewSubfileType 1); the picture is in a SubIFD."""
    content = encoded(photo(), "TIFF", tiffinfo=tag)
    assert "camera's raw file" in refusal(content)
    path = tmp_path / "photo.tif"
    path.write_bytes(content)
    with pytest.raises(UnreadableImageError, match="raw file"):
        image_size(path)


def test_a_cr2_file_is_refused():
    """It says so behind the TIFF header; its first directory is a JPEG preview."""
    plain = grey_tiff(bytes(2), 2, 8, 1)
    assert "camera's raw file" in refusal(
        plain[:4] + struct.pack("<I", 16) + b"CR\2\0\0\0\0\0" + plain[8:192] + plain[200:]
    )


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
        assert decode(encoded(photo(), "PNG")).image.size == (32, 24)
    assert Image.MAX_IMAGE_PIXELS == 10
    assert not ImageFile.LOAD_TRUNCATED_IMAGES


def test_a_bomb_that_pillow_finds_itself_is_the_same_refusal(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    with pytest.raises(UnreadableImageError, match="too large to decode"), decoding._explained("x.png"):
        Image.open(io.BytesIO(encoded(photo(), "PNG")))


def test_lack_of_memory_is_explained(monkeypatch):
    def exhausted(_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(ImageFile.ImageFile, "load", exhausted)
    assert "not enough memory" in refusal(encoded(photo(), "BMP"))


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP", "GIF"])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_random_damage_never_raises_anything_else(image_format, tmp_path):
    """Property: any bytes decode, to the size in their header, or are refused."""
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    content = encoded(photo(), image_format, **({} if image_format == "GIF" else {"exif": exif}))
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


def test_images_are_decoded_in_threads_alike():
    content = encoded(photo(200, 300), "JPEG")
    expected = np.asarray(decode(content).image)
    results: list[bool] = []

    def work() -> None:
        results.append(np.array_equal(np.asarray(decode(content).image), expected))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [True] * 8


# --- size -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "PPM", "JPEG2000"])
def test_the_size_comes_from_the_header(image_format, tmp_path, monkeypatch):
    path = tmp_path / "photo"
    path.write_bytes(encoded(photo(), image_format))
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda _: pytest.fail("decoded"))
    assert image_size(path) == (24, 32)


def test_the_size_of_a_bomb_is_refused(tmp_path):
    path = tmp_path / "bomb.png"
    path.write_bytes(png(60_000, 60_000, 8, 2, b""))
    with pytest.raises(UnreadableImageError, match="too large"):
        image_size(path)


def test_real_photographs_decode_as_pillow_does(real_data):
    for path in sorted((real_data / "biq2021").rglob("*.jpg"))[:3]:
        with Image.open(path) as reference:
            assert np.array_equal(np.asarray(decode(path).image), np.asarray(reference.convert("RGB")))
            assert image_size(path) == (reference.height, reference.width)
