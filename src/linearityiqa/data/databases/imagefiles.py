"""Find the images that a label file names, and refuse names that lead out of their folder."""

import contextlib
import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
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

    A name fits the file that has it, or exactly one file but for case and the composition of accents (in which its
    folders may differ, too) or one image file but for its ending.
    Names that lead out of the folder and images with two rows are faults; where these are collected, their rows are
    left out. Soft links inside the folder are the user's own and are followed.
    """
    rows = _rows_by_name(labels, folder, on_fault)
    # pathlib would raise for a name too long for the file system and a folder that may not be entered
    missing = [name for name in rows if not os.path.isfile(folder / name)]  # noqa: PTH113
    homes: dict[PurePosixPath, tuple[PurePosixPath, Mapping[str, list[str]]]] = {}
    found: dict[str, list[str]] = {}
    for name in missing:
        file = PurePosixPath(name)
        if file.parent not in homes:
            homes[file.parent] = _list_folder(folder, file.parent)
        home, files = homes[file.parent]
        fitting = files.get(folded(file.name), [])
        if file.name in fitting:
            fitting = [file.name]
        else:  # a name without its ending first fits the images whose names agree in case, too
            stem = composed(file.name)
            fitting = [other for other in fitting if composed(PurePosixPath(other).stem) == stem] or fitting
        # a file with a row is another image, unless the two rows differ by the ending
        places = [(other, str(home / other)) for other in fitting]
        found[name] = [path for other, path in places if path not in rows or folded(other) != folded(file.name)]
    spelled: dict[str, int] = {}
    for name, row in rows.items():
        path = found[name][0] if len(found.get(name, [])) == 1 else name
        if path in spelled or (path != name and path in rows):
            first = spelled.get(path, rows.get(path, row))
            on_fault(_listed_twice(labels, *sorted((first, row))))
        else:
            spelled[path] = row
    absent = [name for name in missing if len(found[name]) != 1]
    return Places(spelled, absent, {name: found[name] for name in absent if found[name]})


def _list_folder(folder: Path, inner: PurePosixPath) -> tuple[PurePosixPath, Mapping[str, list[str]]]:
    """Return the spelling on disk of a folder inside another, and its files by folded name; images also by stem."""
    home = PurePosixPath()
    for part in inner.parts:
        fitting: list[str] = []
        with contextlib.suppress(OSError):
            if not (folder / home / part).is_dir():
                fitting = [other.name for other in (folder / home).iterdir() if folded(other.name) == folded(part)]
        home /= fitting[0] if len(fitting) == 1 else part
    files = defaultdict(list)
    with contextlib.suppress(OSError):  # no such folder, or one that may not be read: nothing is found in it
        for entry in sorted(os.scandir(folder / home), key=lambda entry: entry.name):
            if entry.is_file():
                files[folded(entry.name)].append(entry.name)
                path = PurePosixPath(entry.name)
                if path.suffix.lower() in ALL_SUFFIXES:
                    files[folded(path.stem)].append(entry.name)
    return home, files


def _rows_by_name(labels: Labels, folder: Path, on_fault: OnFault) -> dict[str, int]:
    """Return the row of each image by its name relative to `folder`, without ``.``, ``..`` or doubled slashes."""
    rows: dict[str, int] = {}
    prefix = os.path.normpath(folder.absolute()).rstrip(os.sep) + os.sep
    for row, name in enumerate(labels.names):
        if not is_name(name):  # the labels' own check has reported it
            continue
        path = os.path.normpath(os.path.join(prefix, name))  # noqa: PTH118 - building a path takes longer
        inside = path.removeprefix(prefix).replace(os.sep, "/")
        if not path.startswith(prefix):
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
