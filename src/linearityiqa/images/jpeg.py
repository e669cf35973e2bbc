"""JPEG, decoded so that lost data are noticed: libjpeg warns of them, and Pillow drops its warnings."""

import re
from collections.abc import Callable
from typing import IO, TypeGuard, cast

import simplejpeg
from PIL import Image, ImageFile

MAX_SCANS = 100
"""Encoders write about ten; each takes the time of a whole decoding, and may have next to no bytes."""

_MARKER = re.compile(rb"\xff([\x01-\xcf\xd9-\xfe])")
"""The next segment, or the end; entropy-coded data hold stuffed zeros and restarts only."""
_END, _SCAN = b"\xd9", b"\xda"
_PROGRESSIVE = (b"\xc2", b"\xca")
_FRAMES = (b"\xc0", b"\xc1", *_PROGRESSIVE, b"\xc9")
COLOURS = {"RGB": "RGB", "L": "GRAY", "CMYK": "CMYK"}
"""simplejpeg's name of each mode of Pillow."""
Enough = Callable[[tuple[int, int]], tuple[int, int]]
"""(height, width) at which a JPEG of a (height, width) may be decoded."""
_EXTRANEOUS = re.compile(r"(\d+) extraneous bytes before marker 0xd9")


def is_unread(image: Image.Image) -> TypeGuard[ImageFile.ImageFile]:
    """Return whether Pillow has read no more than the header of a JPEG that `decoded` takes."""
    return image.format in ("JPEG", "MPO") and image.mode in COLOURS and bool(getattr(image, "tile", None))


def reduced(image: Image.Image, enough: Enough | None) -> Image.Image:
    """Return the image; in place of an unread JPEG a twin with the smallest scale at which both sides are `enough`."""
    if enough is None or not is_unread(image):
        return image
    twin = object.__new__(type(image))  # draft() changes an image for good, and it may be the user's
    twin.__dict__ = {**image.__dict__, "_exclusive_fp": False}
    height, width = enough((image.height, image.width))
    twin.draft(None, (width, height))
    return image if twin.size == image.size else twin


def decoded(image: ImageFile.ImageFile) -> Image.Image:
    """Decode a JPEG that Pillow has opened, at the scale of its `draft`, as Pillow does; ValueError if any is lost."""
    stream = cast(IO[bytes], image.fp)
    stream.seek(image.tile[0][2])
    content = stream.read()
    end = _end_of_scans(content)
    scale = (getattr(image, "decoderconfig", ()) or (1,))[0]
    least = {} if scale == 1 else {"min_height": image.height, "min_width": image.width, "min_factor": scale}
    try:
        pixels = simplejpeg.decode_jpeg(content, COLOURS[image.mode], **least)
    except ValueError as cause:
        warning = str(cause)
        if warning.startswith("Corrupt JPEG data") and not _is_padding(warning, content[:end]):
            kind = "truncated or damaged" if "premature end" in warning else "damaged"
            raise ValueError(f"its data are {kind} (libjpeg: {warning})") from cause
        image.load()  # Pillow knows whether the rest is an error
        return image
    if image.mode == "CMYK":  # Pillow knows whose CMYK is inverted
        image.load()
        return image
    result = Image.fromarray(pixels if image.mode == "RGB" else pixels[..., 0])
    result.info = image.info
    return result


def _end_of_scans(content: bytes) -> int:
    """Return the place of the end marker; ValueError for too many scans, or where the last are missing."""
    place, scans, progressive = 2, 0, False
    lacking: dict[int, list[int]] = {}  # bits of each component's coefficients that are still to come
    while (found := _MARKER.search(content, place)) and found[1] != _END:
        start = found.end() + 2
        place = found.end() + int.from_bytes(content[found.end() : start])
        segment = content[start:place]
        if found[1] in _FRAMES:
            progressive = found[1] in _PROGRESSIVE
            lacking = {component: [16] * 64 for component in segment[6::3]}
        elif found[1] == _SCAN and len(segment) >= 6:
            scans += 1
            if scans > MAX_SCANS:
                raise ValueError(f"it has more than the {MAX_SCANS} scans allowed, which no camera writes")
            first, last, bits = (segment[-3], segment[-2], segment[-1] & 15) if progressive else (0, 63, 0)
            for component in segment[1:-3:2]:
                lacking.setdefault(component, [0] * 64)[first : last + 1] = [bits] * (last + 1 - first)
    if any(map(any, lacking.values())) and scans:
        raise ValueError("its data are truncated: the last scans are missing")
    return found.start() if found else len(content)


def _is_padding(warning: str, data: bytes) -> bool:
    """Return whether libjpeg only warns of zeros before the end, which some cameras write."""
    extraneous = _EXTRANEOUS.search(warning)
    return extraneous is not None and not data[-int(extraneous[1]) :].strip(b"\0")
