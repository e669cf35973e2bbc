"""JPEG of which data are lost. Oracles: Pillow's own pixels of whole files, and files spoilt by a recipe."""

import io
import itertools
import random

import numpy as np
import pytest
from PIL import Image

from linearityiqa.errors import UnreadableImageError
from linearityiqa.images import decode, opened, to_rgb
from pictures import encoded, make_picture, refusal

END = b"\xff\xd9"
KINDS = {
    "baseline": {},
    "progressive": {"progressive": True},
    "restarts": {"restart_marker_rows": 1},
    "4:4:4": {"subsampling": 0},
    "RGB": {"keep_rgb": True},
}


def jpeg(image=None, **options):
    return encoded(image or make_picture(1, (240, 320)), "JPEG", **({"quality": 90} | options))


def scan_starts(content):
    """Where each scan of a file without a thumbnail begins; none of its other segments holds these bytes."""
    starts = [content.find(b"\xff\xda")]
    while starts[-1] != -1:
        starts.append(content.find(b"\xff\xda", starts[-1] + 1))
    return starts[:-1]


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("reduced", [False, True])
def test_whole_files_have_pillows_pixels(mode, kind, reduced):
    content = jpeg(make_picture(1, (243, 331)).convert(mode), **KINDS[kind])
    size = (331 // 4, 243 // 4) if reduced else (331, 243)
    with opened(content) as (image, _), Image.open(io.BytesIO(content)) as reference:
        image.draft(None, size)
        reference.draft(None, size)
        assert np.array_equal(np.asarray(to_rgb(image).image), np.asarray(reference.convert("RGB")))


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("part", [0.4, 0.7, 0.99])
def test_a_file_that_was_cut_and_ended_properly_is_refused(mode, kind, part):
    """The end marker says that all is there; libjpeg fills up with grey."""
    content = jpeg(make_picture(1, (240, 320)).convert(mode), **KINDS[kind])
    cut = content[: int(part * len(content))] + END
    Image.open(io.BytesIO(cut)).load()
    assert "the image: its data are truncated" in refusal(cut)


def test_a_progressive_file_that_lost_whole_scans_is_refused():
    """libjpeg does not even warn of it."""
    content = jpeg(progressive=True)
    for start in scan_starts(content)[1:]:
        assert "the last scans are missing" in refusal(content[:start] + END)


@pytest.mark.parametrize("kind", KINDS)
def test_changed_bytes_are_mostly_noticed(kind):
    """Thirty random bytes: libjpeg meets an impossible code, or other data than the size asks for."""
    content, rng = jpeg(**KINDS[kind]), random.Random(kind)
    start = scan_starts(content)[0] + 20
    noticed = 0
    for _ in range(20):
        damaged = bytearray(content)
        for _ in range(30):
            damaged[rng.randrange(start, len(damaged) - 2)] = rng.randrange(256)
        try:
            decode(bytes(damaged))
        except UnreadableImageError:
            noticed += 1
    assert noticed >= 18


def test_an_image_that_the_user_opened_is_looked_at_too():
    content = jpeg()
    cut = Image.open(io.BytesIO(content[: len(content) // 2] + END))
    with pytest.raises(UnreadableImageError, match="truncated"):
        to_rgb(cut)


def test_a_mode_that_only_pillow_gives_is_left_to_pillow():
    with Image.open(io.BytesIO(jpeg())) as image, Image.open(io.BytesIO(jpeg())) as reference:
        for one in (image, reference):
            one.draft("YCbCr", None)
        assert image.mode == "YCbCr"
        assert np.array_equal(np.asarray(to_rgb(image).image), np.asarray(reference.convert("RGB")))


@pytest.mark.parametrize("after", [b"", b"\0" * 64, b"trailer of a phone", jpeg(make_picture(2))])
def test_what_follows_the_end_is_nobodys_business(after):
    assert decode(jpeg() + after).notes == ()


def test_zeros_before_the_end_are_padding():
    content = jpeg()
    padded = content[:-2] + bytes(40) + END
    assert np.array_equal(np.asarray(decode(padded).image), np.asarray(decode(content).image))
    assert "damaged" in refusal(content[:-2] + b"\x5a" * 40 + END)


def test_each_picture_of_several_is_looked_at_alone():
    stream = io.BytesIO()
    make_picture(1).save(stream, "MPO", save_all=True, append_images=[make_picture(2)], quality=90)
    with Image.open(io.BytesIO(stream.getvalue())) as image, Image.open(io.BytesIO(stream.getvalue())) as reference:
        for frame in (0, 1):
            image.seek(frame)
            reference.seek(frame)
            assert np.array_equal(np.asarray(to_rgb(image).image), np.asarray(reference.convert("RGB")))


def test_scans_are_bounded():
    """A last scan that is repeated costs a decoding each time, and few bytes."""
    content = jpeg(Image.new("RGB", (64, 64), "teal"), progressive=True)
    start = scan_starts(content)[-1]
    scan = content[start:-2]
    assert decode(content[:-2] + 50 * scan + END).image.size == (64, 64)
    assert "more than the 100 scans allowed" in refusal(content[:-2] + 100 * scan + END)


def test_any_damage_is_a_picture_or_a_sentence():
    content = jpeg(make_picture(1, (24, 32)), progressive=True)
    for place, value in itertools.product(range(0, len(content), 3), (0, 255)):
        damaged = content[:place] + bytes([value]) + content[place + 1 :]
        sentence = ""
        try:
            decode(damaged, max_pixels=100_000)
        except UnreadableImageError as refused:
            sentence = str(refused)
        assert "\n" not in sentence
