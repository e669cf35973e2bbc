"""Find the images that a label file names, and refuse names that lead out of their folder."""

import contextlib
import os
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from linearityiqa.data.databases.labels import Fault, Labels, OnFault, composed, folded, is_name, refuse
from linearityiqa.errors import DataError
from linearityiqa.images.opening import ALL_SUFFIXES


def find_images(labels: Labels, folders: Sequence[Path], remedy: str) -> tuple[Path, tuple[str, ...]]:
    """Return the first folder that holds every image of the labels, and the names of its files.

    Args:
        labels: the image names, as in the label file.
        folders: candidates, in order of preference; at least one.
        remedy: a sentence on what to do if images are missing.
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
        rows: the row of each image by its name relative to the folder, spelled as its file is.
        absent: the names that no file, or more than one, fits.
        ambiguous: the files that fit, for those of them that fit several.
    """

    rows: dict[str, int]
    absent: list[str]
    ambiguous: dict[str, list[str]]


def find_places(labels: Labels, folder: Path, on_fault: OnFault) -> Places:
    """Look for the images of a label file in one folder.

    A name is that of a file, or that of exactly one image file but for its ending, or but for the case of its letters
    and the composition of its accents, in which its folders may differ, too.
    Names that lead out of the folder and images with two rows are faults; where these are collected, their rows are
    left out. Soft links inside the folder are the user's own and are followed.
    """
    rows = _rows_by_name(labels, folder, on_fault)
    # pathlib would raise for a name too long for the file system and a folder that may not be entered
    missing = [name for name in rows if not os.path.isfile(folder / name)]  # noqa: PTH113
    homes: dict[PurePosixPath, _Home] = {}
    found: dict[str, list[str]] = {}
    for name in missing:
        file = PurePosixPath(name)
        if file.parent not in homes:
            homes[file.parent] = _list_home(folder, file.parent)
        home = homes[file.parent]
        by_name = home.by_fold[folded(file.name)]
        if file.name in by_name:
            by_name = [file.name]
        spelled_otherwise = [place for other in by_name if (place := str(home.path / other)) not in rows]
        found[name] = [str(home.path / other) for other in home.by_stem[composed(file.name)]] or spelled_otherwise
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


class _Home(NamedTuple):
    """A folder, as spelled on disk: its images by their composed stems, all its files by their folded names."""

    path: PurePosixPath
    by_stem: defaultdict[str, list[str]]
    by_fold: defaultdict[str, list[str]]


def _list_home(folder: Path, inner: PurePosixPath) -> _Home:
    """List a folder inside another, spelled as on disk where exactly one fits, else as given."""
    path = PurePosixPath()
    for part in inner.parts:
        fitting: list[str] = []
        with contextlib.suppress(OSError):
            if not (folder / path / part).is_dir():
                fitting = [other.name for other in (folder / path).iterdir() if folded(other.name) == folded(part)]
        path /= fitting[0] if len(fitting) == 1 else part
    home = _Home(path, defaultdict(list), defaultdict(list))
    with contextlib.suppress(OSError):  # no such folder, or one that may not be read: nothing is found in it
        for entry in sorted(os.scandir(folder / path), key=lambda entry: entry.name):
            if entry.is_file():
                file = PurePosixPath(entry.name)
                home.by_fold[folded(entry.name)].append(entry.name)
                if file.suffix.lower() in ALL_SUFFIXES:
                    home.by_stem[composed(file.stem)].append(entry.name)
    return home


def _rows_by_name(labels: Labels, folder: Path, on_fault: OnFault) -> dict[str, int]:
    """Return the row of each image by its name relative to `folder`, without ``.``, ``..`` or doubled slashes."""
    rows: dict[str, int] = {}
    for row, name in enumerate(labels.names):
        if not is_name(name):  # the labels' own check has reported it
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
    """Return `name` relative to `folder`, or None where it leads out of it."""
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
