"""Find the images that a label file names, and refuse names that lead out of their folder."""

import contextlib
import os
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from linearityiqa.data.databases.labels import Fault, Labels, OnFault, composed, folded, is_name, refuse
from linearityiqa.errors import DataError
from linearityiqa.images.suffixes import ALL_SUFFIXES

Listing = defaultdict[str, list[str]]
"""File names by a key."""


def find_images(labels: Labels, folders: Sequence[Path], remedy: str) -> tuple[Path, tuple[str, ...]]:
    """Return the first folder that holds every image of the labels.

    Args:
        labels: the image names, as they stand in the label file.
        folders: candidates, in order of preference; at least one.
        remedy: what to do when images are missing, a sentence.

    Returns:
        The folder, and the names relative to it; those that stand in the label file without an ending,
        or in another case, are spelled as the files are.
    """
    attempts: list[tuple[Path, Places]] = []
    for folder in folders:
        places = find_places(labels, folder, refuse)
        if not places.absent:
            return folder, tuple(places.rows)
        attempts.append((folder, places))
    folder, places = min(attempts, key=lambda attempt: len(attempt[1].absent))
    absent = places.absent
    if places.ambiguous:
        name, files = next(iter(places.ambiguous.items()))
        raise DataError(
            f"{len(places.ambiguous)} image names of {labels.file} fit several files in {folder} "
            f"({name}: {', '.join(files[:3])}{', ...' if len(files) > 3 else ''}). Write the names as the files are."
        )
    if "\\" in absent[0] and "/" not in absent[0]:
        remedy = f"Their names have backslashes, as on Windows: write {absent[0].replace(chr(92), '/')}."
    raise DataError(
        f"{len(absent)} of the {len(labels.names)} images of {labels.file} are not in {folder}"
        f"{'' if folder.is_dir() else ', which is no folder'} "
        f"({', '.join(absent[:3])}{', ...' if len(absent) > 3 else ''}). {remedy}"
    )


class Places(NamedTuple):
    """The images of a label file in one folder.

    Attributes:
        rows: the row of each image by its name relative to the folder; one that stands in the labels without its
            ending has it here.
        absent: the names of those that are not there.
        ambiguous: for those of them that fit several files but for the ending, these.
    """

    rows: dict[str, int]
    absent: list[str]
    ambiguous: dict[str, list[str]]


def find_places(labels: Labels, folder: Path, on_fault: OnFault) -> Places:
    """Look for the images of a label file in one folder.

    A name is that of a file, or that of exactly one image file but for its ending, or but for the case of its letters
    and the composition of its accents, which may differ in its folders too.
    What is done about faulty rows is as in `rows_by_name`.
    """
    rows = rows_by_name(labels, folder, on_fault)
    if not folder.is_dir():
        return Places(rows, list(rows), {})
    missing = [name for name in rows if not _is_file(folder / name)]
    if not missing:
        return Places(rows, [], {})
    homes: dict[PurePosixPath, tuple[PurePosixPath, Listing, Listing]] = {}
    found: dict[str, list[str]] = {}
    for name in missing:
        file = PurePosixPath(name)
        if file.parent not in homes:
            spelled = _spelled(folder, file.parent)
            homes[file.parent] = spelled, *_listing(folder / spelled)
        home, by_stem, by_fold = homes[file.parent]
        by_name = [file.name] if file.name in by_fold[folded(file.name)] else by_fold[folded(file.name)]
        spelled_otherwise = [place for other in by_name if (place := str(home / other)) not in rows]
        found[name] = [str(home / other) for other in by_stem[composed(file.name)]] or spelled_otherwise
    whole: dict[str, int] = {}
    for name, row in rows.items():
        files = found.get(name, [])
        place = files[0] if len(files) == 1 else name
        if place in whole or (place != name and place in rows):
            first = whole.get(place, rows.get(place, row))
            on_fault(_listed_twice(labels, *sorted((first, row))))
        else:
            whole[place] = row
    absent = [name for name in missing if len(found[name]) != 1]
    return Places(whole, absent, {name: found[name] for name in absent if found[name]})


def _spelled(folder: Path, inner: PurePosixPath) -> PurePosixPath:
    """Return the path of a folder inside another as it is spelled there; as given where none or several fit."""
    found = PurePosixPath()
    for part in inner.parts:
        alike: list[str] = []
        with contextlib.suppress(OSError):
            if not (folder / found / part).is_dir():
                alike = [other.name for other in (folder / found).iterdir() if folded(other.name) == folded(part)]
        found /= alike[0] if len(alike) == 1 else part
    return found


def _listing(folder: Path) -> tuple[Listing, Listing]:
    """The images of a folder by their composed names without the ending, and all its files by their folded names."""
    by_stem: Listing = defaultdict(list)
    by_fold: Listing = defaultdict(list)
    try:
        for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
            path = PurePosixPath(entry.name)
            if entry.is_file():
                by_fold[folded(entry.name)].append(entry.name)
                if path.suffix.lower() in ALL_SUFFIXES:
                    by_stem[composed(path.stem)].append(entry.name)
    except OSError:  # no such folder, or one that may not be read: nothing is found in it
        pass
    return by_stem, by_fold


def rows_by_name(labels: Labels, folder: Path, on_fault: OnFault) -> dict[str, int]:
    """The row of each image, by its name relative to `folder` in one spelling (no ``.``, ``..`` or doubled slashes).

    Soft links inside the folder are the user's own and are followed. Where faults are collected, their rows are left
    out.
    """
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
            on_fault(_listed_twice(labels, rows[inside], row))
        else:
            rows[inside] = row
    return rows


def _listed_twice(labels: Labels, first: int, again: int) -> Fault:
    name = labels.names[again]
    message = f"{labels.where(again)}: image {name!r} was already listed ({labels.where(first)}). Drop one of the rows."
    return Fault("listed-twice", message, (name,))


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
