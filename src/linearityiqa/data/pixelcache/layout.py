"""The bytes of a cache file: a header, an index with one entry for each image, and the pixels.

The header is JSON behind a magic word, its length and its CRC-32. An image is its rows of 8-bit RGB, one after the
other. The index is written before the pixels are there: an entry says whether its image is.
"""

import json
import struct
import zlib
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

MAGIC = b"LIQApix1"
HEADER_BYTES = 4096
PAGE = 4096
CHANNELS = 3

ENTRY = np.dtype(
    [
        ("offset", "<i8"),  # of the first pixel in the file
        ("height", "<i4"),
        ("width", "<i4"),
        ("file_bytes", "<i8"),  # of the image file that was decoded
        ("file_time", "<i8"),  # when that file was changed last, ns
        ("crc", "<u4"),  # CRC-32 of the pixels
        ("done", "<u4"),  # 1 when pixels and CRC are there
    ]
)
Index = NDArray[np.void]


class Header(NamedTuple):
    """What the first bytes of a cache say.

    Attributes:
        key: `PixelSource.key` of what it was made from.
        images: number of images.
        total_bytes: size of the file.
        index_crc: CRC-32 of the index; None while the cache is being made.
    """

    key: str
    images: int
    total_bytes: int
    index_crc: int | None = None

    def to_bytes(self) -> bytes:
        """The header as it stands in the file."""
        text = json.dumps(self._asdict()).encode()
        return (MAGIC + struct.pack("<II", len(text), zlib.crc32(text)) + text).ljust(HEADER_BYTES, b"\0")

    @classmethod
    def from_bytes(cls, content: bytes) -> "Header":
        """Read a header.

        Raises:
            ValueError: it is damaged, or of something else.
        """
        start = len(MAGIC) + 8
        if len(content) < HEADER_BYTES or not content.startswith(MAGIC):
            raise ValueError("its header is missing")
        length, crc = struct.unpack("<II", content[len(MAGIC) : start])
        text = content[start : start + length]
        if zlib.crc32(text) != crc:
            raise ValueError("its header is damaged")
        try:
            return cls(**json.loads(text))
        except TypeError as cause:
            raise ValueError("its header is of another version") from cause


def new_index(heights: NDArray[np.int32], widths: NDArray[np.int32], files: NDArray[np.int64]) -> tuple[Index, int]:
    """The index of images of these sizes, none of them done yet, and the size of the whole file in bytes."""
    index = np.zeros(len(files), dtype=ENTRY)
    index["height"], index["width"] = heights, widths
    index["file_bytes"], index["file_time"] = files.T
    ends = np.cumsum(bytes_of(index)) + first_pixel(len(index))
    index["offset"] = ends - bytes_of(index)
    return index, int(ends[-1])


def in_words(count: int) -> str:
    """A number of bytes for people.

    >>> in_words(9_992_577_024), in_words(376_832)
    ('9.99 GB', '0.4 MB')
    """
    return f"{count / 1e9:.2f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"


def first_pixel(images: int) -> int:
    """Offset of the first image's pixels."""
    return -(-(HEADER_BYTES + images * ENTRY.itemsize) // PAGE) * PAGE


def bytes_of(index: Index) -> NDArray[np.int64]:
    """Bytes of each image's pixels."""
    sizes: NDArray[np.int64] = index["height"].astype(np.int64) * index["width"] * CHANNELS
    return sizes
