"""The built-in database, whose images are pure functions of the seed and their number; and a photograph to show."""

import contextlib
import csv
import functools
import io
from collections import defaultdict
from collections.abc import Generator, Mapping, Sequence
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from linearityiqa.config import SyntheticConfig
from linearityiqa.console import track
from linearityiqa.data.synthetic.distortions import (
    DISTORTIONS,
    ByteImage,
    Distortion,
    gaussian_blur,
    gaussian_noise,
    jpeg,
    resample,
)
from linearityiqa.data.synthetic.folder import IMAGES, LABELS, holds, staging_dir, write_image, write_manifest
from linearityiqa.errors import DataError
from linearityiqa.extras import require
from linearityiqa.files import write_text
from linearityiqa.machine import default_workers, process_context, start_processes

require("skimage", "demo")

from linearityiqa.data.synthetic.labels import Label, Severity, label  # noqa: E402 - the line above says what is missing
from linearityiqa.data.synthetic.references import (  # noqa: E402
    Reference,
    cut,
    list_references,
    load_photograph,
    load_reference,
    turns,
)

GENERATOR = 1
"""Version of what is drawn and measured; a change that alters any byte of a database raises it."""

COLUMNS = ("image_name", "mos", "mos_std", "split", "reference", "distortion1", "severity1", "distortion2", "severity2")

README = """A synthetic database for blind image quality assessment, made by linearityiqa.

THE LABELS ARE PSEUDO-LABELS. No human being has rated these images. The column mos is computed from full-reference
metrics (SSIM, multi-scale SSIM, gradient similarity, CIEDE2000, PSNR) between each image and its pristine original,
mos_std is the spread of those metrics. A model trained on them imitates the metrics; figures obtained on this
database say nothing about agreement with people, and must not be reported as if they did.

labels.csv     image_name, mos (1..100, higher is better), mos_std, split, reference, then up to two distortions with
               their severities in the order in which they were applied; no distortion: the image is pristine
images/        the images
database.json  how the database was made; the same recipe gives the same bytes with the same library versions

Pristine originals: procedural dead-leaves scenes (Lee, Mumford, Huang 2001), and the natural colour photographs that
scikit-image carries: astronaut (NASA, public domain), coffee (Rachel Michetti, CC0), rocket (SpaceX, public domain),
chelsea (Stefan van der Walt, CC0), motorcycle (left of a pair; D. Scharstein et al., Middlebury stereo benchmark 2014).
"""

IMAGES_A_TASK = 16

Row = tuple[int, tuple[str, ...]]
"""Number of an image in the database, and its cells of the CSV file."""

STEP_SHARES = (0.08, 0.62, 0.30)
"""Shares of images with no distortion, one, and two."""

PAIR_SEVERITY = 0.7
"""Highest severity where two distortions meet; above it nearly all pairs would be at the bottom of the scale."""

SHOWN = "chelsea"
"""A photograph of the test split, which no training image comes from."""

CLEAN = "clean"
SHOWN_SEVERITY = 0.6
DEGRADATIONS: Mapping[str, tuple[Distortion, ...]] = {
    "blurred": (gaussian_blur,),
    "noisy": (gaussian_noise,),
    "compressed": (jpeg,),
    "enlarged": (resample,),
    "noisy and compressed": (gaussian_noise, jpeg),
}
"""Degradations of the photograph that is shown, each step at `SHOWN_SEVERITY`."""


class Task(NamedTuple):
    """Images of one reference, which is rendered once for all of them."""

    reference: Reference
    numbers: list[int]


class Sample(NamedTuple):
    """A distorted image, how it came about, and its label."""

    pixels: ByteImage
    steps: tuple[Severity, ...]
    label: Label


def make_database(config: SyntheticConfig, *, progress: bool = False) -> Path:
    """Make the synthetic database in `config.output`, or find that it is there already.

    Every byte is a function of the options and the seed, for any number of processes. A script that calls this with
    workers needs the usual ``if __name__ == "__main__":`` around its calls.

    Returns:
        The CSV file; the images are in `images` next to it.

    Raises:
        DataError: the folder holds something else than this database, or a process was killed.
    """
    folder = config.output.resolve()
    if not holds(folder, recipe(config)):
        with staging_dir(folder) as place:
            if not holds(folder, recipe(config)):  # another process may have made it while this one waited
                _fill(place, config, progress)
                place.replace(folder)
    return folder / LABELS


def recipe(config: SyntheticConfig) -> dict[str, Any]:
    """Return the options that determine the bytes of the database."""
    return {
        "generator": GENERATOR,
        "images": config.images,
        "height": config.height,
        "width": config.width,
        "dead_leaves": config.dead_leaves,
        "seed": config.seed,
    }


def make_sample(reference: ByteImage, number: int, config: SyntheticConfig) -> Sample:
    """Make image `number` of the database, cut from the pristine `reference`.

    The number and the seed determine crop, distortions and noise.
    """
    rng = np.random.default_rng([config.seed, 1, number])
    original = cut(reference, config.height, config.width, rng)
    steps = draw_steps(rng)
    pixels = original
    for step in steps:
        pixels = step.apply(pixels)
    return Sample(pixels, steps, label(original, steps, pixels))


def draw_steps(rng: np.random.Generator) -> tuple[Severity, ...]:
    """Draw no, one or two different distortions in the order of `DISTORTIONS`, with severities to four digits."""
    count = int(rng.choice(len(STEP_SHARES), p=STEP_SHARES))
    chosen = sorted(rng.choice(len(DISTORTIONS), size=count, replace=False).tolist())
    highest = PAIR_SEVERITY if count > 1 else 1.0
    return tuple(Severity(DISTORTIONS[k], round(rng.uniform(0, highest), 4), int(rng.integers(2**63))) for k in chosen)


def write_showcase(folder: Path, config: SyntheticConfig) -> dict[str, Path]:
    """Write a photograph at the database's height and degraded copies of it, to show what scores mean.

    Returns:
        The files, by `CLEAN` and the names of `DEGRADATIONS`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    photograph = Image.fromarray(load_photograph(SHOWN))
    width = round(photograph.width * config.height / photograph.height)
    clean = np.asarray(photograph.resize((width, config.height), Image.Resampling.LANCZOS))
    versions = {CLEAN: clean}
    for name, steps in DEGRADATIONS.items():
        pixels = clean
        for step in steps:
            pixels = step(pixels, SHOWN_SEVERITY, np.random.default_rng(config.seed))
        versions[name] = pixels
    return {name: write_image(folder / f"{name.replace(' ', '_')}.png", pixels) for name, pixels in versions.items()}


def _fill(place: Path, config: SyntheticConfig, progress: bool) -> None:
    """Write images, labels and notes."""
    images = place / IMAGES
    images.mkdir()
    with contextlib.closing(_make_rows(config, images)) as made:
        rows = sorted(track(made, "making images", total=config.images, enabled=progress))
    lines = io.StringIO()
    csv.writer(lines, lineterminator="\n").writerows([COLUMNS, *(cells for _, cells in rows)])
    write_text(place / LABELS, lines.getvalue())
    write_text(place / "README.txt", README)
    write_manifest(place, recipe(config))


def _make_rows(config: SyntheticConfig, images: Path) -> Generator[Row]:
    """Yield the rows of all tasks in their order; processes work ahead."""
    tasks = _tasks(config)
    work = functools.partial(_make_images, config=config, images=images)
    workers = min(default_workers(config.num_workers), len(tasks))
    if workers == 0:
        for task in tasks:
            yield from work(task)
        return
    stop = process_context(__name__).Event()
    pool = start_processes(workers, _remember, stop, preloaded=__name__)
    try:
        for rows in pool.map(work, tasks):
            yield from rows
    except BrokenProcessPool as cause:
        raise DataError(
            "a process that made images was killed, probably for lack of memory. Try again with fewer --num_workers."
        ) from cause
    finally:
        stop.set()
        pool.shutdown(cancel_futures=True)


def _tasks(config: SyntheticConfig) -> Sequence[Task]:
    """Return the images of each reference, a few a task, so that bars move and no worker ends long after the rest."""
    order = turns(config.dead_leaves, config.seed)
    numbers = defaultdict(list)
    for number in range(config.images):
        numbers[order[number % len(order)]].append(number)
    return [
        Task(each, numbers[each.number][start : start + IMAGES_A_TASK])
        for each in list_references(config.dead_leaves)
        for start in range(0, len(numbers[each.number]), IMAGES_A_TASK)
    ]


_stop: Event | None = None
"""In a worker: set when the parent wants no more images."""


def _remember(stop: Event) -> None:
    global _stop
    _stop = stop


def _make_images(task: Task, *, config: SyntheticConfig, images: Path) -> list[Row]:
    """Make and write the images of one task; fewer where the parent says stop."""
    pristine = load_reference(task.reference, config)
    rows: list[Row] = []
    for number in task.numbers:
        if _stop is not None and _stop.is_set():
            break
        sample = make_sample(pristine, number, config)
        name = write_image(images / f"{number:05d}.png", sample.pixels).name
        label_cells = [f"{value:.4f}" for value in sample.label]
        steps = [cell for step in sample.steps for cell in (step.name, f"{step.severity:.4f}")]
        padding = [""] * (4 - len(steps))
        rows.append((number, (name, *label_cells, task.reference.split, task.reference.name, *steps, *padding)))
    return rows
