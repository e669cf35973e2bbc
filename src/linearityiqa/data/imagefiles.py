"""Find the images that a label file names, and refuse names that lead out of their folder."""

import os
from collections.abc import Sequence
from pathlib import Path

from linearityiqa.data.faults import Fault, OnFault, refuse
from linearityiqa.data.labels import Labels, is_name
from linearityiqa.errors import DataError


def find_images(labels: Labels, folders: Sequence[Path], remedy: str) -> tuple[Path, tuple[str, ...]]:
    """The first folder that holds every image of the labels.

    Args:
        labels: the image names, as they stand in the label file.
        folders: candidates, in order of preference; at least one.
        remedy: what to do when images are missing, a sentence.

    Returns:
        The folder, and the names relative to it.

    Raises:
        DataError: a name that leads out of the folder or stands there twice, or missing images: how many, and the
            first of them.
    """
    attempts: list[tuple[Path, list[str]]] = []
    for folder in folders:
        names = names_inside(labels, folder)
        absent = absent_from(folder, names)
        if not absent:
            return folder, names
        attempts.append((folder, absent))
    folder, absent = min(attempts, key=lambda attempt: len(attempt[1]))
    raise DataError(
        f"{len(absent)} of the {len(labels.names)} images of {labels.file} are not in {folder}"
        f"{'' if folder.is_dir() else ', which is no folder'} "
        f"({', '.join(absent[:3])}{', ...' if len(absent) > 3 else ''}). {remedy}"
    )


def absent_from(folder: Path, names: Sequence[str]) -> list[str]:
    """The names, relative to `folder`, that are no files."""
    return [name for name in names if not _is_file(folder / name)] if folder.is_dir() else list(names)


def names_inside(labels: Labels, folder: Path) -> tuple[str, ...]:
    """The image names relative to `folder`, in one spelling (no ``.``, ``..`` or doubled slashes).

    Soft links inside the folder are the user's own and are followed.

    Raises:
        DataError: a name that leads out of the folder, or two rows of the same image.
    """
    return tuple(rows_by_name(labels, folder, refuse))


def rows_by_name(labels: Labels, folder: Path, on_fault: OnFault) -> dict[str, int]:
    """The row of each image, by the names that `names_inside` gives; faulty rows are left out where collected."""
    rows: dict[str, int] = {}
    for row, name in enumerate(labels.names):
        if not is_name(name):  # the labels' own check has said so
            continue
        inside = _relative(name, folder)
        if inside is None:
            message = (
                f"{labels.where(row)}: image name {name!r} leads out of the image folder {folder}. Make the names "
                "relative to one folder that holds all images, and name that with --image_dir."
            )
            on_fault(Fault("name", message, (name,)))
        elif inside in rows:
            message = (
                f"{labels.where(row)}: image {name!r} was already listed ({labels.where(rows[inside])}). "
                "Drop one of the rows."
            )
            on_fault(Fault("listed-twice", message, (name,)))
        else:
            rows[inside] = row
    return rows


def _relative(name: str, folder: Path) -> str | None:
    """`name` relative to `folder`, or None where it leads out of it."""
    normal = os.path.normpath(name)
    if normal[0] not in f".{os.sep}" and ":" not in normal:  # all but a few names; building a path takes longer
        return normal.replace(os.sep, "/")
    path = Path(normal)
    if path.is_absolute() or path.drive or path.parts[:1] == ("..",) or normal == ".":
        anchor = Path(os.path.normpath(folder.absolute()))
        whole = Path(os.path.normpath(anchor / path))
        if whole == anchor or not whole.is_relative_to(anchor):
            return None
        path = whole.relative_to(anchor)
    return path.as_posix()


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name too long for the file system, a folder that may not be entered
        return False
