"""Pictures of quality maps as files."""

import hashlib
from dataclasses import replace
from pathlib import Path

from linearityiqa.errors import OutputError
from linearityiqa.files import write_bytes
from linearityiqa.scoring.results import ImageScore

_NAME_LENGTH = 80


def write_map(folder: Path, result: ImageScore) -> ImageScore:
    """Write the picture of a result's quality map into a folder.

    Returns:
        The result with the file in place of the map; as it is, where it has no map.

    Raises:
        OutputError: the file cannot be written.
    """
    if result.quality_map is None:
        return result
    path = folder / map_name(result.path)
    try:
        write_bytes(path, result.quality_map.png())
    except OSError as cause:
        raise OutputError(
            f"cannot write the quality map {path}: {cause.strerror or cause}. Make room, or choose another folder."
        ) from cause
    return replace(result, map_file=str(path), quality_map=None)


def map_name(path: str) -> str:
    """A file name for the picture of the image at `path`: readable, safe, and its own whatever other images are called.

    >>> map_name("holiday/beach.jpg") != map_name("work/beach.jpg")
    True
    """
    stem = "".join(c if c.isalnum() or c in "-_" else "_" for c in Path(path).stem)
    while len(stem.encode()) > _NAME_LENGTH:  # file systems bound the bytes of a name
        stem = stem[:-1]
    digest = hashlib.blake2b(path.encode("utf-8", "surrogatepass"), digest_size=6).hexdigest()
    return f"{stem}-{digest}.png"
