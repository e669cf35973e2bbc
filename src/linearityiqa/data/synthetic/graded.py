"""A graded database: photographs of one's own, each in versions whose order is known."""

import contextlib
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
from linearityiqa.data.checks.images import ImageCheck, glances
from linearityiqa.data.checks.scenes import find_scenes
from linearityiqa.data.databases.imagefiles import SUFFIXES
from linearityiqa.data.databases.labels import is_name
from linearityiqa.data.databases.splits import split_by_reference
from linearityiqa.data.loading.batch_limits import default_workers
from linearityiqa.data.synthetic.distortions import GRADED, ByteImage
from linearityiqa.data.synthetic.folder import IMAGES, LABELS, holds, workplace, write_jpeg, write_manifest, write_png
from linearityiqa.data.synthetic.labels import Label, Severity, graded_labels
from linearityiqa.data.synthetic.make import Row, carry_out, stopped, versions, write_labels
from linearityiqa.data.synthetic.references import cut
from linearityiqa.errors import DataError, UnreadableImageError
from linearityiqa.files import sha256_of
from linearityiqa.images import decode, image_size

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
    """A reference.

    Attributes:
        number: its place among the photographs of the folder that are used.
        name: path relative to the folder.
        digest: SHA-256 of the file.
        reference: the first photograph of the same scene.
        split: train, val or test.
    """

    number: int
    name: str
    digest: str
    reference: str
    split: str


class Version(NamedTuple):
    """An image made from a photograph: its distortion (None: none), the level of it, and its label."""

    step: Severity | None
    level: int
    pixels: ByteImage
    label: Label


def make_graded_database(config: SyntheticConfig, *, progress: bool = False) -> Path:
    """Make graded versions of the photographs in `config.graded.references`, or find that they are there already.

    Every byte is a function of the photographs, the options and the seed, for any number of processes; of one
    photograph's versions, of that photograph alone (but for number and split). A script that calls this with workers
    needs the usual ``if __name__ == "__main__":`` around its calls.

    Args:
        config: the options; the folder is new, empty, or made with the same ones from the same photographs.
        progress: show progress bars on standard error.

    Returns:
        The CSV file; images are in `images` beside it. `COLUMNS` says what is in it.

    Raises:
        DataError: no photograph can be used, or there are too many; the folder holds something else; a worker was
            killed.
        OSError: the folder cannot be written, or the disk is full.
    """
    source = config.graded.references
    if source is None:
        raise DataError("no folder of photographs was named. Give --references FOLDER.")
    folder = config.output.resolve()
    names = list_photographs(source, folder)
    plan = recipe(config, source, names)
    if holds(folder, plan):
        return folder / LABELS
    with workplace(folder) as place:
        if not holds(folder, plan):  # another process may have made it while this one waited
            _fill(place, config, source, _photographs(config, source, names, progress), progress)
            write_manifest(place, plan, versions())
            place.replace(folder)
    return folder / LABELS


def list_photographs(source: Path, output: Path) -> list[str]:
    """Files in a folder, and in folders in it, that are called like images, relative to it, sorted; none of the output.

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
    endings = {suffix for suffixes in SUFFIXES.values() for suffix in suffixes}
    for folder, inner, files in os.walk(source):
        here = Path(folder)
        inner[:] = [name for name in inner if not name.startswith(".") and (here / name).resolve() != output]
        for file in files:
            name = (here / file).relative_to(source).as_posix()
            if Path(file).suffix.lower() in endings and not file.startswith(".") and is_name(name):
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
    """Why an image cannot be a reference, in words that follow "they"; empty where it can."""
    if look.error:
        return "cannot be read"
    try:
        height, width = image_size(source / look.name, exif_rotation=True)
    except UnreadableImageError:  # the file has changed meanwhile
        return "cannot be read"
    if height < config.height or width < config.width:
        return f"are smaller than {config.width} x {config.height} pixels"
    return "are of a single colour" if look.constant else ""


def _fill(
    place: Path, config: SyntheticConfig, source: Path, photographs: Sequence[Photograph], progress: bool
) -> None:
    (place / IMAGES).mkdir()
    work = functools.partial(_make_images, config=config, source=source, images=place / IMAGES)
    total = len(photographs) * config.graded.versions
    with contextlib.closing(carry_out(photographs, work, config.num_workers)) as made:
        rows = sorted(track(made, "making images", total=total, enabled=progress))
    write_labels(place, COLUMNS, rows, README)


def _make_images(photograph: Photograph, *, config: SyntheticConfig, source: Path, images: Path) -> list[Row]:
    """Make and write the versions of one photograph; fewer where the parent says stop."""
    pixels = np.asarray(decode(source / photograph.name, exif_rotation=True).image)
    rows: list[Row] = []
    for version in make_versions(pixels, photograph.digest, config):
        if stopped():
            break
        kind = f"{version.step.distortion.name}_{version.level}" if version.step else "pristine"
        stem = images / f"{photograph.number:05d}_{kind}"
        write, ending = (write_jpeg, ".jpg") if config.graded.jpeg else (write_png, ".png")
        path = write(stem.with_suffix(ending), version.pixels)
        number = photograph.number * config.graded.versions + len(rows)
        rows.append(Row(number, _cells(path.name, photograph, version)))
    return rows


def make_versions(photograph: ByteImage, digest: str, config: SyntheticConfig) -> Iterator[Version]:
    """The pristine part of a photograph, then its versions, by distortion and from mild to severe.

    All are the same part of the photograph, and those of one distortion have the same random numbers (direction,
    noise). Of N levels, level k has the severity (k - u) / N, where u in 0..0.5 is drawn for each distortion.

    Args:
        photograph: the whole of it, uint8, shape (H, W, 3).
        digest: hexadecimal; with the seed it determines what is drawn.
        config: size of the images, distortions, levels and seed.
    """
    graded = config.graded
    rng = np.random.default_rng([config.seed, 3, int(digest[:16], 16)])
    original = cut(photograph, config.height, config.width, rng)
    (best,) = graded_labels(original, [Severity(GRADED[graded.distortions[0]], 0.0, 0)], [original])
    yield Version(None, 0, original, best)
    count = graded.distortions_each or len(graded.distortions)
    for kind in sorted(rng.choice(len(graded.distortions), size=count, replace=False).tolist()):
        less, seed = rng.uniform(0, 0.5), int(rng.integers(2**63))
        levels = range(1, graded.levels + 1)
        distortion = GRADED[graded.distortions[kind]]
        steps = [Severity(distortion, round((level - less) / graded.levels, 4), seed) for level in levels]
        made = [step.apply(original) for step in steps]
        for level, step, pixels, label in zip(levels, steps, made, graded_labels(original, steps, made), strict=True):
            yield Version(step, level, pixels, label)


def _cells(name: str, photograph: Photograph, version: Version) -> tuple[str, ...]:
    label = (f"{version.label.mos:.4f}", f"{version.label.mos_std:.4f}")
    kind = ("", "", "")
    if version.step is not None:
        kind = (version.step.distortion.name, str(version.level), f"{version.step.severity:.4f}")
    return (name, *label, photograph.split, photograph.reference, photograph.name, *kind)
