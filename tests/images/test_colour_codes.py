"""Colours named by H.273 codes. Oracles: published equal colours of two spaces, and the levels of reference white."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, features

from linearityiqa.images import decode

PQ, HLG, SRGB = 16, 18, 13
BT709, BT2020, P3 = 1, 9, 12


def png(colour, primaries, transfer, alpha=None):
    """A PNG of one colour with a cICP chunk before its pixels."""
    stream = io.BytesIO()
    Image.new("RGB" if alpha is None else "RGBA", (8, 8), (*colour, *([] if alpha is None else [alpha]))).save(
        stream, "PNG"
    )
    content, chunk = stream.getvalue(), b"cICP" + bytes([primaries, transfer, 0, 1])
    place = content.find(b"IDAT") - 4
    return content[:place] + struct.pack(">I", 4) + chunk + struct.pack(">I", zlib.crc32(chunk)) + content[place:]


def colour_of(content):
    decoded = decode(content, colour_profile=True)
    return np.asarray(decoded.image)[4, 4].tolist(), decoded.notes


@pytest.mark.parametrize(
    ("coded", "primaries", "transfer", "expected", "name"),
    [
        pytest.param((234, 51, 35), P3, SRGB, (255, 0, 0), "Display P3", id="red of sRGB in Display P3 (CSS Color 4)"),
        pytest.param((148, 148, 148), BT2020, PQ, (255, 255, 255), "BT.2020 PQ", id="58 % of PQ: 203 cd/m2 (BT.2408)"),
        pytest.param(
            (191, 191, 191), BT2020, HLG, (255, 255, 255), "BT.2020 HLG", id="75 % of HLG: diffuse white (BT.2408)"
        ),
        pytest.param((255, 255, 255), BT2020, 1, (255, 255, 255), "BT.2020", id="white stays"),
        pytest.param((0, 0, 0), BT2020, PQ, (0, 0, 0), "BT.2020 PQ", id="black stays"),
    ],
)
def test_colours_are_brought_to_srgb(coded, primaries, transfer, expected, name):
    colour, notes = colour_of(png(coded, primaries, transfer))
    assert np.abs(np.subtract(colour, expected)).max() <= 5  # levels around the clipped white are blended
    assert notes == (f"{name} converted to sRGB",)


def test_colours_of_srgb_stay_without_a_note():
    assert colour_of(png((200, 100, 50), BT709, SRGB)) == ([200, 100, 50], ())
    assert decode(png((148, 148, 148), BT2020, PQ)).notes == ()  # as the paper has it, unless profiles are asked for


def test_unknown_codes_are_noted():
    assert colour_of(png((200, 100, 50), 22, 8)) == (
        [200, 100, 50],
        ("colours of the codes 22/8 (H.273) taken for sRGB",),
    )


def test_transparency_survives():
    colour, notes = colour_of(png((148, 148, 148), BT2020, PQ, alpha=0))
    assert colour == [255, 255, 255]
    assert set(notes) == {"BT.2020 PQ converted to sRGB", "alpha composited on white"}


@pytest.mark.parametrize("image_format", ["AVIF", "HEIF"])
def test_the_box_of_avif_and_heif_is_read(image_format):
    stream = io.BytesIO()
    grey = Image.new("RGB", (64, 64), (148, 148, 148))
    if image_format == "AVIF":
        if not features.check("avif"):
            pytest.skip("Pillow reads no AVIF here")
        grey.save(stream, "AVIF", quality=95)
    else:
        pytest.importorskip("pillow_heif").from_pillow(grey).save(stream, quality=95)
    content = bytearray(stream.getvalue())
    place = content.find(b"colrnclx")
    assert place > 0
    content[place + 8 : place + 12] = struct.pack(">HH", BT2020, PQ)
    colour, notes = colour_of(bytes(content))
    assert min(colour) > 240
    assert "BT.2020 PQ converted to sRGB" in notes
