"""Audit of a database: all faults of its labels and images, found in one pass."""

import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from linearityiqa.config import CheckConfig
from linearityiqa.console import track
from linearityiqa.data.checks.duplicates import Rows, check_near_duplicates, check_same_files, same_files, stand_ins
from linearityiqa.data.checks.findings import Finding, Report, check_labels, in_order
from linearityiqa.data.checks.images import check_images, check_unlisted, inspect_images, keep_pictures
from linearityiqa.data.checks.neardup import find_near_duplicates
from linearityiqa.data.databases.imagefiles import Places, find_places
from linearityiqa.data.databases.labels import Fault, Labels
from linearityiqa.data.databases.opening import LabelSource, open_labels
from linearityiqa.data.databases.splits import split_names
from linearityiqa.machine import default_workers
from linearityiqa.quality import QualityScale


def audit(config: CheckConfig) -> Report:
    """Check labels and images of a database, and find images that are the same.

    Memory is bounded but for some 500 bytes an image; thumbnails are kept in a temporary file (4 kB an image).
    """
    start = time.perf_counter()
    faults: list[Fault] = []
    # a stated scale is not for the reader, which would refuse the file: the rows beyond it are findings
    source = open_labels(replace(config.data, scale=None), faults.append)
    folder, (places, absent, ambiguous) = _best_folder(source)
    find_places(source.labels, folder, faults.append)  # once more, now that the folder is known, for its faults
    findings = [Finding(fault.kind, fault.message, fault.images) for fault in faults]
    findings += check_labels(source.labels, _scale(config, source))
    findings += [
        Finding(
            "missing",
            f"{folder / name} has no ending and fits {', '.join(ambiguous[name])}. Write the ending."
            if name in ambiguous
            else f"there is no {folder / name}.",
            (name,),
        )
        for name in absent
    ]
    missing = set(absent)
    present = {name: row for name, row in places.items() if name not in missing}
    if present:
        findings += _check_files(config, source.labels, folder, present)
        findings += check_unlisted(folder, places)
    splits = {} if source.labels.splits is None else {k: len(rows) for k, rows in source.labels.splits.items()}
    return Report(
        name=source.name,
        labels=source.labels.file,
        folder=folder,
        images=len(source.labels.names),
        splits=splits,
        findings=in_order(findings),
        seconds=time.perf_counter() - start,
    )


def _best_folder(source: LabelSource) -> tuple[Path, Places]:
    """Return the folder that lacks the fewest images, and which of them are there."""
    found = [(folder, find_places(source.labels, folder, lambda _: None)) for folder in source.folders]
    return min(found, key=lambda candidate: len(candidate[1].absent))


def _scale(config: CheckConfig, source: LabelSource) -> QualityScale | None:
    """Return the scale that scores are compared with, where one is known."""
    if config.data.scale is not None:
        return QualityScale(low=config.data.scale[0], high=config.data.scale[1])
    return source.labels.scale if source.known is not None else None


def _check_files(config: CheckConfig, labels: Labels, folder: Path, places: Mapping[str, int]) -> Iterator[Finding]:
    """Yield findings about the images that are there, by their names and rows."""
    names = list(places)
    workers = default_workers(config.num_workers)
    with tempfile.TemporaryFile() as file:
        checks = inspect_images(names, folder, workers)
        checks = track(checks, "reading images", total=len(names), enabled=not config.quiet)
        seen, pictures = keep_pictures(checks, file)
        yield from check_images(seen, config.data.exif_rotation)
        rows = _rows(labels, places)
        groups = same_files(seen)
        for group in groups:
            yield from check_same_files([names[number] for number in group], rows)
        if not config.near_duplicates:
            return
        numbers, copies = stand_ins(len(seen), groups)
        related = _related(labels, list(places.values()))
        found = find_near_duplicates(pictures, related, numbers, quiet=config.quiet)
    yield from check_near_duplicates(seen, copies, found.links, folder, rows)
    if found.cut:
        message = (
            "there are too many similar images to compare all pairs; the likeliest were compared. Images made from one "
            "original need a column reference: they are not compared with each other."
        )
        yield Finding("search", message, severity="remark")


def _rows(labels: Labels, places: Mapping[str, int]) -> Rows:
    parts = split_names(labels.splits or {}, len(labels.names))
    return Rows(
        mos={name: float(labels.mos[row]) for name, row in places.items()},
        split={name: parts[row] for name, row in places.items() if parts[row]},
    )


def _related(labels: Labels, rows: Sequence[int]) -> NDArray[np.int64]:
    """Return a number for each image, the same for images of one reference."""
    if labels.references is None:
        return np.arange(len(rows))
    codes: dict[str, int] = {}
    return np.array([codes.setdefault(labels.references[row] or f"\0{row}", len(codes)) for row in rows])
