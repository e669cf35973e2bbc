"""Colours that a file names by ITU-T H.273 codes, not by an ICC profile: HDR and wide gamut in AVIF, HEIC and PNG."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import ImageFilter

_GRID = 65
_WHITE = 203
"""Luminance of diffuse white in cd/m2 (ITU-R BT.2408); brighter highlights are clipped, as sRGB has none."""
_SRGB_LIKE = (1, 2, 5, 6, 7)
"""Primaries of BT.709, unspecified ones, and those of older television, which differ little."""
_TO_BT709 = {
    9: (
        "BT.2020",
        [[1.660491, -0.587641, -0.072850], [-0.124550, 1.132900, -0.008349], [-0.018151, -0.100579, 1.118730]],
    ),
    12: ("Display P3", [[1.224940, -0.224940, 0], [-0.042057, 1.042057, 0], [-0.019638, -0.078636, 1.098274]]),
}
"""Of other primaries the name, and the matrix of linear colours."""
_CURVES = {1: "", 2: "", 6: "", 13: "", 14: "", 15: "", 16: " PQ", 18: " HLG"}
"""Transfer functions: near that of sRGB, and those of HDR."""


def colour_codes(content: bytes, image_format: str | None) -> tuple[int, int] | None:
    """Return the codes of primaries and transfer function in a file; None where there are none."""
    if image_format == "PNG":
        place = content.find(b"cICP", 0, max(content.find(b"IDAT"), 0))
        return None if place < 0 or len(content) < place + 6 else (content[place + 4], content[place + 5])
    place = content.find(b"colrnclx") if image_format in ("AVIF", "HEIF") else -1
    if place < 0 or len(content) < place + 12:
        return None
    return int.from_bytes(content[place + 8 : place + 10]), int.from_bytes(content[place + 10 : place + 12])


@lru_cache(maxsize=8)
def to_srgb(codes: tuple[int, int]) -> tuple[ImageFilter.Color3DLUT | None, str | None]:
    """Return the filter that brings 8-bit RGB to sRGB, and a note; neither where the colours are near those of sRGB."""
    primaries, transfer = codes
    if transfer not in _CURVES or primaries not in (*_SRGB_LIKE, *_TO_BT709):
        return None, f"colours of the codes {primaries}/{transfer} (H.273) taken for sRGB"
    if primaries in _SRGB_LIKE and not _CURVES[transfer]:
        return None, None
    name, matrix = _TO_BT709.get(primaries, ("BT.709", np.eye(3)))
    axis = np.linspace(0, 1, _GRID)
    blue, green, red = np.meshgrid(axis, axis, axis, indexing="ij")  # red varies fastest
    linear = _linear(np.stack([red, green, blue], axis=-1), transfer) @ np.asarray(matrix).T
    clipped = np.clip(linear, 0, 1)
    levels = np.where(clipped <= 0.0031308, 12.92 * clipped, 1.055 * clipped ** (1 / 2.4) - 0.055)
    table = levels.astype(np.float32).ravel().tolist()
    return ImageFilter.Color3DLUT(_GRID, table), f"{name}{_CURVES[transfer]} converted to sRGB"


def _linear(coded: NDArray[np.float64], transfer: int) -> NDArray[np.float64]:
    """Return linear light, 1 for diffuse white: by SMPTE ST 2084, by BT.2100 on a display of 1000 cd/m2, or sRGB."""
    if transfer == 16:
        root = coded ** (32 / 2523)
        light = np.maximum(root - 3424 / 4096, 0) / (2413 / 128 - 2392 / 128 * root)
        return np.asarray(10_000 / _WHITE * light ** (16384 / 2610))
    if transfer == 18:
        scene = np.where(coded <= 0.5, coded**2 / 3, (np.exp((coded - 0.55991073) / 0.17883277) + 0.28466892) / 12)
        luminance = scene @ np.array([0.2627, 0.6780, 0.0593])
        return np.asarray(1000 / _WHITE * luminance[..., None] ** 0.2 * scene)
    return np.where(coded <= 0.04045, coded / 12.92, ((coded + 0.055) / 1.055) ** 2.4)
