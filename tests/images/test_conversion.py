"""Oracles: the matrices of the colour spaces, published equal colours of two spaces, and levels of reference white."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms, features

from linearityiqa.images import ImageTransform, decode, to_rgb
from linearityiqa.images.conversion import APPLIED
from linearityiqa.scoring.prepared import prepare
from pictures import encoded

P3 = np.array([[0.51512, 0.29198, 0.15710], [0.24120, 0.69225, 0.06657], [-0.00105, 0.04189, 0.78407]])
"""Display P3's primaries in XYZ (D50), as columns red, green and blue."""
SRGB = np.array([[0.43607, 0.38515, 0.14307], [0.22249, 0.71687, 0.06061], [0.01392, 0.09708, 0.71410]])


def profile_of(primaries: np.ndarray, space: bytes = b"RGB ") -> bytes:
    """An ICC profile of version 2 with gamma 2.2, written by the specification."""

    def xyz(values) -> bytes:
        return b"XYZ \0\0\0\0" + b"".join(struct.pack(">i", round(value * 65536)) for value in values)

    curve = b"curv\0\0\0\0" + struct.pack(">IHH", 1, round(2.2 * 256), 0)
    text = b"desc\0\0\0\0" + struct.pack(">I", 5) + b"test\0" + bytes(78 + 5)
    parts = {b"desc": text, b"wtpt": xyz((0.9642, 1.0, 0.8249))}
    parts |= {name: xyz(column) for name, column in zip((b"rXYZ", b"gXYZ", b"bXYZ"), primaries.T, strict=True)}
    parts |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve)
    table, body, place = struct.pack(">I", len(parts)), b"", 132 + 12 * len(parts)
    for name, content in parts.items():
        content += bytes(-len(content) % 4)
        table += name + struct.pack(">II", place + len(body), len(content))
        body += content
    header = struct.pack(">I4sI4s4s4s", place + len(body), b"none", 0x02100000, b"mntr", space, b"XYZ ")
    header += bytes(12) + b"acsp" + bytes(28) + struct.pack(">iii", 63190, 65536, 54061)
    return header.ljust(128, b"\0") + table + body


def photo(mode: str = "RGB") -> Image.Image:
    values = np.random.default_rng(2).integers(60, 190, (12, 16, len(mode)), dtype=np.uint8)
    return Image.fromarray(values)


def saved(path, image: Image.Image, profile: bytes) -> Image.Image:
    image.save(path, icc_profile=profile)
    return image


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_wide_gamut_colours_are_brought_to_srgb(tmp_path, mode):
    image = photo(mode)
    if mode == "RGBA":
        image.putalpha(255)
    saved(tmp_path / "a.png", image, profile_of(P3))
    linear = (np.asarray(image.convert("RGB")) / 255) ** 2.2 @ (np.linalg.inv(SRGB) @ P3).T
    linear = linear.clip(0, 1)
    expected = 255 * np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    found = decode(tmp_path / "a.png", colour_profile=True)
    assert APPLIED in found.notes
    assert np.abs(np.asarray(found.image) - expected).max() <= 3
    assert np.abs(np.asarray(image.convert("RGB")) - expected).max() > 8
    prepared = prepare(tmp_path / "a.png", ImageTransform(), max_pixels=10**6)
    assert np.array_equal(np.asarray(prepared.image), np.asarray(found.image))


@pytest.mark.parametrize("mode", ["RGB", "P"])
def test_a_colour_that_stands_for_transparent_stays_so(tmp_path, mode):
    image = Image.new("RGB", (8, 8), (200, 40, 40))
    image.paste((10, 120, 60), (0, 0, 4, 8))
    image = image if mode == "RGB" else image.quantize(2)
    hidden = (10, 120, 60) if mode == "RGB" else image.getpixel((0, 0))
    image.save(tmp_path / "t.png", icc_profile=profile_of(P3), transparency=hidden)
    found = decode(tmp_path / "t.png", colour_profile=True)
    assert found.image.getpixel((0, 0)) == (255, 255, 255)
    assert found.image.getpixel((7, 0))[0] > 205  # P3's red is beyond sRGB's
    assert set(found.notes) == {APPLIED, "alpha composited on white"}


def test_databases_and_srgb_keep_their_pixels(tmp_path):
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    image = saved(tmp_path / "s.png", photo(), srgb)
    wide = saved(tmp_path / "w.png", photo(), profile_of(P3))
    for found in (decode(tmp_path / "s.png", colour_profile=True), decode(tmp_path / "w.png")):
        assert np.array_equal(np.asarray(found.image), np.asarray(image))
        assert found.notes == ()
    assert np.array_equal(np.asarray(wide), np.asarray(image))


@pytest.mark.parametrize("profile", [profile_of(P3)[:300], b"x" * 200, profile_of(P3, b"CMYK"), bytes(2 << 20)])
def test_a_profile_that_does_not_fit_is_ignored_with_a_note(profile):
    image = photo()
    image.info["icc_profile"] = profile
    found = to_rgb(image, colour_profile=True)
    assert np.array_equal(np.asarray(found.image), np.asarray(photo()))
    assert len(found.notes) == 1
    assert found.notes[0].endswith("ignored")


PQ, HLG, GAMMA = 16, 18, 13
BT709, BT2020, GAMUT_P3 = 1, 9, 12


def png_of_codes(colour, primaries, transfer, alpha=None):
    """A PNG of one colour with a cICP chunk before its pixels."""
    image = Image.new("RGB", (8, 8), colour) if alpha is None else Image.new("RGBA", (8, 8), (*colour, alpha))
    content, chunk = encoded(image), b"cICP" + bytes([primaries, transfer, 0, 1])
    place = content.find(b"IDAT") - 4
    return content[:place] + struct.pack(">I", 4) + chunk + struct.pack(">I", zlib.crc32(chunk)) + content[place:]


def colour_of(content):
    decoded = decode(content, colour_profile=True)
    return np.asarray(decoded.image)[4, 4].tolist(), decoded.notes


@pytest.mark.parametrize(
    ("coded", "primaries", "transfer", "expected", "name"),
    [
        pytest.param((234, 51, 35), GAMUT_P3, GAMMA, (255, 0, 0), "Display P3", id="red of sRGB (CSS Color 4)"),
        pytest.param((148, 148, 148), BT2020, PQ, (255, 255, 255), "BT.2020 PQ", id="58 % of PQ: 203 cd/m2 (BT.2408)"),
        pytest.param((191, 191, 191), BT2020, HLG, (255, 255, 255), "BT.2020 HLG", id="75 % of HLG: white (BT.2408)"),
        pytest.param((255, 255, 255), BT2020, 1, (255, 255, 255), "BT.2020", id="white stays"),
        pytest.param((0, 0, 0), BT2020, PQ, (0, 0, 0), "BT.2020 PQ", id="black stays"),
    ],
)
def test_colours_are_brought_to_srgb(coded, primaries, transfer, expected, name):
    colour, notes = colour_of(png_of_codes(coded, primaries, transfer))
    assert np.abs(np.subtract(colour, expected)).max() <= 5  # levels around the clipped white are blended
    assert notes == (f"{name} converted to sRGB",)


def test_colours_of_srgb_stay_without_a_note():
    assert colour_of(png_of_codes((200, 100, 50), BT709, GAMMA)) == ([200, 100, 50], ())
    # as the paper has it, unless profiles are asked for
    assert decode(png_of_codes((148, 148, 148), BT2020, PQ)).notes == ()


def test_unknown_codes_are_noted():
    assert colour_of(png_of_codes((200, 100, 50), 22, 8)) == (
        [200, 100, 50],
        ("colours of the codes 22/8 (H.273) taken for sRGB",),
    )


def test_transparency_survives():
    colour, notes = colour_of(png_of_codes((148, 148, 148), BT2020, PQ, alpha=0))
    assert colour == [255, 255, 255]
    assert set(notes) == {"BT.2020 PQ converted to sRGB", "alpha composited on white"}


@pytest.mark.parametrize("image_format", ["AVIF", "HEIF"])
def test_the_box_of_avif_and_heif_is_read(image_format):
    grey = Image.new("RGB", (64, 64), (148, 148, 148))
    if image_format == "AVIF":
        if not features.check("avif"):
            pytest.skip("Pillow reads no AVIF here")
        content = bytearray(encoded(grey, "AVIF", quality=95))
    else:
        stream = io.BytesIO()
        pytest.importorskip("pillow_heif").from_pillow(grey).save(stream, quality=95)
        content = bytearray(stream.getvalue())
    place = content.find(b"colrnclx")
    assert place > 0
    content[place + 8 : place + 12] = struct.pack(">HH", BT2020, PQ)
    colour, notes = colour_of(bytes(content))
    assert min(colour) > 240
    assert "BT.2020 PQ converted to sRGB" in notes
