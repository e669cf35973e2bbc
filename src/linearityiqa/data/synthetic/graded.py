"""A graded database: photographs of one's own, each in versions whose order of quality is known."""

import functools
import hashlib
import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from linearityiqa.config import SyntheticConfig
from linearityiqa.console import track
from linearityiqa.data.checks.duplicates import find_scenes
from linearityiqa.data.checks.images import ImageCheck, glances
from linearityiqa.data.databases.labels import is_name
from linearityiqa.data.databases.splits import split_by_reference
from linearityiqa.data.loading.processes import default_workers
from linearityiqa.data.synthetic.distortions import GRADED, ByteImage
from linearityiqa.data.synthetic.folder import Contents, Row, make_folder, stopped, write_image
from linearityiqa.data.synthetic.labels import PRISTINE, Label, Severity, graded_labels
from linearityiqa.data.synthetic.references import cut
from linearityiqa.errors import DataError, UnreadableImageError
from linearityiqa.files import sha256_of
from linearityiqa.images import decode, image_size
from linearityiqa.images.suffixes import ALL_SUFFIXES

GENERATOR = 1
"""Version of what is drawn and measured; a change that alters any byte of a database raises it."""

MOST_PHOTOGRAPHS = 100_000
MOST_IMAGES = 1_000_000
NAMED = 3
"""Photographs left out that a warning names."""

COLUMNS = (
    "image_name", "mos", "mos_std", "split", "reference", "photograph", "distortion", "level", "severity"
)  # fmt: skip

README = """Graded versions of photographs, made by linearityiqa.

THE LABELS ARE PSEUDO-LABELS. No human being has rated these images. The column mos is computed from full-reference
metrics (SSIM, multi-scale SSIM, gradient similarity, CIEDE2000, PSNR) between each image and the photograph that it
was made from, which counts as perfect (100) whatever people would say of it; mos_std is the spread of those metrics.
What is certain is the order: of the versions of one photograph under one distortion, a higher level is never better.

labels.csv     image_name, mos (1..100, higher is better), mos_std, split, reference (the scene: photographs of one
               scene share it), photograph, distortion, level (empty: the photograph itself), severity (0..1)
images/        the images
database.json  how the database was made; the same recipe gives the same bytes with the same library versions

The images are made from your photographs: their terms hold for these as well.
"""

_log = logging.getLogger(__name__)


class Photograph(NamedTuple):
    """A photograph that is used: `name` relative to the folder, `reference` the first photograph of the same scene."""

    number: int
    name: str
    digest: str
    reference: str
    split: str


class Version(NamedTuple):
    """An image made from a photograph; `kind` is its distortion, level and severity, empty where it is pristine."""

    kind: tuple[str, ...]
    pixels: ByteImage
    label: Label


def make_graded_database(config: SyntheticConfig, *, progress: bool = False) -> Path:
    """Make graded versions of the photographs in `config.graded.references`, or find that they are there already.

    Every byte is a function of the photographs, the options and the seed, for any number of processes; the versions
    of a photograph depend on that photograph alone (but for number and split). A script that calls this with workers
    needs the usual ``if __name__ == "__main__":`` around its calls.

    Returns:
        The CSV file, with the columns `COLUMNS`; images are in `images` beside it.

    Raises:
        DataError: no photograph can be used, or there are too many; the folder holds something else; a worker was
            killed.
        OSError: the folder cannot be written, or the disk is full.
    """
    source = config.graded.references
    if source is None:
        raise DataError("no folder of photographs was named. Give --references FOLDER.")
    names = list_photographs(source, config.output.resolve())

    def contents() -> Contents[Photograph]:
        photographs = _photographs(config, source, names, progress)
        work = functools.partial(_make_images, config=config, source=source)
        return Contents(COLUMNS, README, len(photographs) * config.graded.versions, photographs, work)

    return make_folder(config, recipe(config, source, names), contents, progress=progress)


def list_photographs(source: Path, output: Path) -> list[str]:
    """Image files (by their names) in a folder and in folders in it, relative to it, sorted; none of the output.

    Raises:
        DataError: it is no folder, or holds none, or too many.
    """
    if not source.is_dir():
        raise DataError(f"{source} is no folder. Name the folder of your photographs with --references.")
    names = list(islice(_walk(source, output), MOST_PHOTOGRAPHS + 1))
    if not names:
        raise DataError(f"there is no image in {source}. Name the folder of your photographs with --references.")
    if len(names) > MOST_PHOTOGRAPHS:
        raise DataError(f"{source} holds more than {MOST_PHOTOGRAPHS} images. Name a folder of fewer.")
    return sorted(names)


def _walk(source: Path, output: Path) -> Iterator[str]:
    for folder, inner, files in os.walk(source):
        here = Path(folder)
        inner[:] = [name for name in inner if not name.startswith(".") and (here / name).resolve() != output]
        for file in files:
            name = (here / file).relative_to(source).as_posix()
            if Path(file).suffix.lower() in ALL_SUFFIXES and not file.startswith(".") and is_name(name):
                yield name


def recipe(config: SyntheticConfig, source: Path, names: Sequence[str]) -> dict[str, Any]:
    """The photographs and the options that determine the bytes of the database."""
    digest = hashlib.sha256()
    for name in names:
        try:
            content = sha256_of(source / name)
        except OSError:  # left out as unreadable
            content = ""
        digest.update(f"{name}\n{content}\n".encode())
    graded = config.graded
    return {
        "graded generator": GENERATOR,
        "photographs": digest.hexdigest(),
        "height": config.height,
        "width": config.width,
        "distortions": list(graded.distortions),
        "distortions_each": graded.distortions_each,
        "levels": graded.levels,
        "train_ratio": graded.train_ratio,
        "train_and_val_ratio": graded.train_and_val_ratio,
        "jpeg": graded.jpeg,
        "seed": config.seed,
    }


def _photographs(config: SyntheticConfig, source: Path, names: Sequence[str], progress: bool) -> list[Photograph]:
    """The photographs that can be used, with scene and split."""
    left_out: dict[str, list[str]] = {}
    used: list[ImageCheck] = []

    def usable() -> Iterator[ImageCheck]:
        looks = glances(names, source, default_workers(config.num_workers))
        for look in track(looks, "reading photographs", total=len(names), enabled=progress):
            reason = _reason_against(look, source, config)
            if reason:
                left_out.setdefault(reason, []).append(look.name)
            else:
                used.append(replace(look, picture=b""))
                yield look

    scenes = find_scenes(usable(), quiet=not progress)
    for reason, files in left_out.items():
        shown = ", ".join(files[:NAMED]) + (", ..." if len(files) > NAMED else "")
        _log.warning("%d of %d images left out because they %s: %s", len(files), len(names), reason, shown)
    if not used:
        raise DataError(
            f"none of the {len(names)} images in {source} can be used: they {' or '.join(left_out)}. Name others, or "
            "give a smaller --height and --width."
        )
    images = len(used) * config.graded.versions
    if images > MOST_IMAGES:
        raise DataError(
            f"{len(used)} photographs would make {images} images; at most {MOST_IMAGES} are made. Give fewer "
            "photographs, --distortions_each or --levels."
        )
    ratios = config.graded.train_ratio, config.graded.train_and_val_ratio
    split_of = {
        int(row): split
        for split, rows in split_by_reference(scenes.references, *ratios, config.seed, 0).items()
        for row in rows
    }
    return [
        Photograph(row, look.name, look.digest, scenes.references[row], split_of[row]) for row, look in enumerate(used)
    ]


def _reason_against(look: ImageCheck, source: Path, config: SyntheticConfig) -> str:
    """Why an image cannot be a reference, as a clause that follows "they"; empty where it can."""
    if look.error:
        return "cannot be read"
    try:
        height, width = image_size(source / look.name, exif_rotation=True)
    except UnreadableImageError:  # the file has changed meanwhile
        return "cannot be read"
    if height < config.height or width < config.width:
        return f"are smaller than {config.width} x {config.height} pixels"
    return "are of a single colour" if look.constant else ""


def _make_images(photograph: Photograph, *, config: SyntheticConfig, source: Path, images: Path) -> list[Row]:
    """Make and write the versions of one photograph; fewer where the parent says stop."""
    pixels = np.asarray(decode(source / photograph.name, exif_rotation=True).image)
    origin = (photograph.split, photograph.reference, photograph.name)
    ending = "jpg" if config.graded.jpeg else "png"
    rows: list[Row] = []
    for version in _versions(pixels, photograph.digest, config):
        if stopped():
            break
        kind = "_".join(version.kind[:2]) or "pristine"
        path = write_image(images / f"{photograph.number:05d}_{kind}.{ending}", version.pixels)
        number = photograph.number * config.graded.versions + len(rows)
        rows.append((number, (path.name, *version.label.cells, *origin, *(version.kind or ("", "", "")))))
    return rows


def _versions(photograph: ByteImage, digest: str, config: SyntheticConfig) -> Iterator[Version]:
    """The pristine part of a photograph, then its versions, by distortion and from mild to severe.

    All are the same part of the photograph, and those of one distortion have the same random numbers (direction,
    noise), which its digest and the seed determine. Of N levels, level k has the severity (k - u) / N, where u in
    0..0.5 is drawn for each distortion.
    """
    graded = config.graded
    rng = np.random.default_rng([config.seed, 3, int(digest[:16], 16)])
    original = cut(photograph, config.height, config.width, rng)
    yield Version((), original, PRISTINE)
    count = graded.distortions_each or len(graded.distortions)
    for number in sorted(rng.choice(len(graded.distortions), size=count, replace=False).tolist()):
        less, seed = rng.uniform(0, 0.5), int(rng.integers(2**63))
        name = graded.distortions[number]
        severities = [round((level - less) / graded.levels, 4) for level in range(1, graded.levels + 1)]
        steps = [Severity(GRADED[name], severity, seed) for severity in severities]
        made = [step.apply(original) for step in steps]
        labels = graded_labels(original, steps, made)
        for level, (severity, pixels, label) in enumerate(zip(severities, made, labels, strict=True), start=1):
            yield Version((name, str(level), f"{severity:.4f}"), pixels, label)
