"""Images of a table as they are before any augmentation: how they are decoded, and what tells them from others."""

import hashlib
import json
import os
import re
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import PIL
from numpy.typing import NDArray
from PIL import features

from linearityiqa.config import DataConfig
from linearityiqa.data.databases.table import ImageTable
from linearityiqa.images import ImageTransform, decode

DECODING = 1
"""To be raised whenever `images.decode` or `ImageTransform.pixels` gives other pixels than before."""
DECODERS = ("jpg", "webp", "jpg_2000", "avif", "libtiff")
"""Libraries behind Pillow that decode with loss, so that their versions may differ in the pixels."""


class Decoding(NamedTuple):
    """What an image file says of its own presentation, and whether it is followed."""

    exif_rotation: bool = False
    """Turn images upright by their EXIF orientation."""
    colour_profile: bool = False
    """Bring the colours of embedded ICC profiles to sRGB."""

    @classmethod
    def of(cls, config: DataConfig) -> "Decoding":
        """What the options of a database ask for."""
        return cls(config.exif_rotation, config.colour_profile)


class PixelSource:
    """The images of a whole table, as they are before any augmentation.

    Args:
        table: every image that the cache is to serve.
        transform: what every decoded image undergoes.
        decoding: what is followed of what the files say.
    """

    def __init__(self, table: ImageTable, transform: ImageTransform, decoding: Decoding = Decoding()) -> None:  # noqa: B008 - immutable
        self.table = table
        self.transform = transform
        self.decoding = decoding

    @cached_property
    def key(self) -> str:
        """Digest of the images' names and folder, of the transform and of the decoder."""
        facts = {
            "decoding": DECODING,
            "Pillow": PIL.__version__,
            **{name: features.version(name) for name in DECODERS},
            "folder": os.path.realpath(self.table.root),
            "size": self.transform.size,
            "common_size": self.transform.common_size,
            "exif_rotation": self.decoding.exif_rotation,
            **({"colour_profile": True} if self.decoding.colour_profile else {}),
            **({} if self.transform.mode == "stretch" else {"mode": self.transform.mode}),
        }
        digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
        for name in self.table.names:
            digest.update(b"\0" + name.encode("utf-8", "surrogatepass"))
        return digest.hexdigest()

    @property
    def folder_name(self) -> str:
        """Name of the cache's folder: the image folder for people, and digits of the key."""
        folder = "-".join(Path(os.path.realpath(self.table.root)).parts[-2:])
        return f"{re.sub(r'[^A-Za-z0-9_.-]+', '_', folder)[:60]}-{self.key[:16]}"

    def digest_of(self, name: str) -> str:
        """What an image's file is called after: a digest of its name, its bytes and its time of change."""
        try:
            status = os.stat(os.path.join(self.table.root, name))  # noqa: PTH116, PTH118 - ten times faster
            state = f"{status.st_size} {status.st_mtime_ns}"
        except OSError:
            state = "missing"  # decoding it will say what is wrong
        return hashlib.sha256(f"{name}\0{state}".encode("utf-8", "surrogatepass")).hexdigest()[:32]

    def decode(self, name: str) -> NDArray[np.uint8]:
        """The pixels of an image, decoded from its file."""
        return decoded(self.table.root / name, self.transform, self.decoding)


def decoded(path: Path, transform: ImageTransform, decoding: Decoding) -> NDArray[np.uint8]:
    """The pixels of an image file after the transform, 8-bit RGB, shape (H, W, 3).

    Raises:
        UnreadableImageError: it cannot be decoded; the message names it.
    """
    return np.array(transform.pixels(decode(path, **decoding._asdict()).image))
