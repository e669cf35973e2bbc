"""Decode one image to 8-bit RGB, and find its size without decoding it."""

from pathlib import Path
from typing import NamedTuple

from PIL import Image

from linearityiqa.images import jpeg
from linearityiqa.images.conversion import in_rgb, in_srgb, orientation_of
from linearityiqa.images.opening import (
    DEFAULT_MAX_PIXELS,
    check_pixels,
    explained,
    name_of,
    open_file,
    opened,
    read_header,
)

_TURNED = (Image.Transpose.TRANSPOSE, Image.Transpose.ROTATE_270, Image.Transpose.TRANSVERSE, Image.Transpose.ROTATE_90)
"""Transpositions that exchange height and width."""


class DecodedImage(NamedTuple):
    """An RGB image, notes on what was done to it that may bear on its quality, and (height, width) of it in the file.

    The last is that of the whole image, turned as the image is, also where the image was decoded at a reduced scale.
    """

    image: Image.Image
    notes: tuple[str, ...]
    native: tuple[int, int]


def decode(
    source: Path | bytes,
    *,
    name: str | None = None,
    exif_rotation: bool = False,
    colour_profile: bool = False,
    max_pixels: int = DEFAULT_MAX_PIXELS,
    enough: jpeg.Enough | None = None,
) -> DecodedImage:
    """Decode one image to 8-bit RGB.

    Grey, 1-bit and palette images are converted without loss. CMYK is converted without a colour profile.
    Transparent images are composited on white. 16-bit samples are scaled to 8 bits (65535 becomes 255). Of a multi-
    picture JPEG the primary picture is taken. The orientation tag of a TIFF, which belongs to the format itself, is
    always applied. Every conversion that loses something is in the notes.

    Args:
        source: a file, or the content of one.
        name: how messages call the image; by default its path.
        exif_rotation: turn the image upright by its EXIF orientation; damaged EXIF is ignored, with a note.
        colour_profile: bring the colours of an embedded ICC profile to sRGB; else profiles are ignored.
        max_pixels: refuse images of which more would be decoded, by their header, before any memory is taken for them.
        enough: gives the (height, width) that suffices of an image of (height, width); a JPEG is decoded at the
            smallest scale (1, 1/2, 1/4, 1/8) that gives it. By default all are decoded whole.

    Raises:
        UnreadableImageError: the file is missing, unreadable, empty, truncated, no image, animated, too large, or of
            samples without a defined white (32-bit integer, floating point).
    """
    name = name or name_of(source)
    with opened(source, name=name, max_pixels=max_pixels, enough=enough) as (undecoded, notes):
        image = to_rgb(
            undecoded,
            name=name,
            exif_rotation=exif_rotation,
            colour_profile=colour_profile,
            max_pixels=max_pixels,
            enough=enough,
        )
        return image._replace(notes=(*notes, *image.notes))


def to_rgb(
    image: Image.Image,
    *,
    name: str = "the image",
    exif_rotation: bool = False,
    colour_profile: bool = False,
    max_pixels: int = DEFAULT_MAX_PIXELS,
    enough: jpeg.Enough | None = None,
) -> DecodedImage:
    """Convert a Pillow image to 8-bit RGB, with the options of `decode`; of an animation, the current frame.

    The image need not be loaded. UnreadableImageError: it is truncated, too large, or of samples without a defined
    white.
    """
    with explained(name):
        check_pixels(image, name, max_pixels, enough)
        # load() forgets the layout of the samples in the file
        deep = image.mode.startswith("I;16") or ";16" in str(getattr(image, "tile", ""))
        plain = jpeg.reduced(image, enough)
        is_reduced = plain is not image
        plain = jpeg.decoded(plain) if jpeg.is_unread(plain) else plain
        plain.load()
        coloured, remarks = in_srgb(plain) if colour_profile else (plain, [])
        upright, notes = in_rgb(coloured, name)
        notes += remarks
        if deep:
            notes.append("16-bit reduced to 8-bit")
        if image.format == "HEIF":
            depth = image.info.get("bit_depth", 8)
            notes.append("decoded from HEIF" + (f", {depth}-bit reduced to 8-bit" if depth > 8 else ""))
        turn = None
        if exif_rotation:
            turn, remarks = orientation_of(image)
            upright = upright if turn is None else upright.transpose(turn)
            notes += remarks
        width, height = image.size if is_reduced else upright.size
        native = (width, height) if is_reduced and turn in _TURNED else (height, width)
        return DecodedImage(upright, tuple(notes), native)


def image_size(
    path: Path,
    *,
    exif_rotation: bool = False,
    max_pixels: int = DEFAULT_MAX_PIXELS,
    enough: jpeg.Enough | None = None,
) -> tuple[int, int]:
    """Return (height, width) of the whole image that `decode` would give, from the file's header only.

    Only a PNG of which the EXIF orientation is asked is decoded: it may follow the pixels. UnreadableImageError: the
    file is missing, unreadable, empty, no image, or too large.
    """
    name = str(path)
    with explained(name), open_file(path, name) as stream:
        image = read_header(stream, name, max_pixels, enough)
        width, height = image.size
        # Pillow gives the size of a TIFF as it is after the orientation tag, which stays readable until load()
        turned = exif_rotation and image.format != "TIFF" and orientation_of(image)[0] in _TURNED
    return (width, height) if turned else (height, width)
