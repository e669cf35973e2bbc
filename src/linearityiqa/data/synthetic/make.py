"""Make the database: references in parallel, images and CSV in one order, the folder in one piece."""

import concurrent.futures
import contextlib
import csv
import functools
import importlib.metadata
import io
import platform
from collections import defaultdict
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from PIL import features

from linearityiqa.config import SyntheticConfig
from linearityiqa.console import track
from linearityiqa.data.loading.batch_limits import default_workers
from linearityiqa.data.loading.processes import process_context, start_processes
from linearityiqa.data.synthetic.folder import IMAGES, LABELS, holds, workplace, write_manifest, write_png
from linearityiqa.data.synthetic.references import Reference, list_references, load_reference, turns
from linearityiqa.data.synthetic.sample import Sample, make_sample
from linearityiqa.errors import DataError
from linearityiqa.files import write_text

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

_stop: Event | None = None
"""In a worker: set when the parent wants no more images."""


T = TypeVar("T")


class Task(NamedTuple):
    """Images of one reference, which is rendered once for all of them."""

    reference: Reference
    numbers: tuple[int, ...]


class Row(NamedTuple):
    """A line of the CSV file, and the image's number."""

    number: int
    cells: tuple[str, ...]


def make_database(config: SyntheticConfig, *, progress: bool = False) -> Path:
    """Make the synthetic database in `config.output`, or find that it is there already.

    Every byte is a function of the options and the seed, for any number of processes. A script that calls this with
    workers needs the usual ``if __name__ == "__main__":`` around its calls.

    Args:
        config: the options; the folder is new, empty, or made with the same ones.
        progress: show a progress bar on standard error.

    Returns:
        The CSV file, with image_name, mos, mos_std, split, reference and more; images are in `images` beside it.

    Raises:
        DataError: the folder holds something else; scikit-image lacks its photographs; a worker was killed.
        OSError: the folder cannot be written, or the disk is full.
    """
    folder = config.output.resolve()
    plan = recipe(config)
    if holds(folder, plan):
        return folder / LABELS
    with workplace(folder) as place:
        if not holds(folder, plan):  # another process may have made it while this one waited
            _fill(place, config, progress)
            write_manifest(place, plan, versions())
            place.replace(folder)
    return folder / LABELS


def recipe(config: SyntheticConfig) -> dict[str, Any]:
    """The options that determine the bytes of the database."""
    return {
        "generator": GENERATOR,
        "images": config.images,
        "height": config.height,
        "width": config.width,
        "dead_leaves": config.dead_leaves,
        "seed": config.seed,
    }


def _fill(place: Path, config: SyntheticConfig, progress: bool) -> None:
    (place / IMAGES).mkdir()
    work = functools.partial(_make_images, config=config, images=place / IMAGES)
    with contextlib.closing(carry_out(_tasks(config), work, config.num_workers)) as made:
        rows = sorted(track(made, "making images", total=config.images, enabled=progress))
    write_labels(place, COLUMNS, rows, README)


def write_labels(place: Path, columns: Sequence[str], rows: Iterable[Row], readme: str) -> None:
    """Write the CSV file, and what a reader should know of it."""
    lines = io.StringIO()
    writer = csv.writer(lines, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(row.cells for row in rows)
    write_text(place / LABELS, lines.getvalue())
    write_text(place / "README.txt", readme)


def _tasks(config: SyntheticConfig) -> list[Task]:
    """The images of each reference, in parts of a few, so that bars move and no worker ends long after the rest."""
    order = turns(config.dead_leaves, config.seed)
    numbers = defaultdict(list)
    for number in range(config.images):
        numbers[order[number % len(order)]].append(number)
    return [
        Task(each, tuple(numbers[each.number][start : start + IMAGES_A_TASK]))
        for each in list_references(config.dead_leaves)
        for start in range(0, len(numbers[each.number]), IMAGES_A_TASK)
    ]


def carry_out(tasks: Sequence[T], work: Callable[[T], list[Row]], num_workers: int | None) -> Generator[Row]:
    """Rows of all tasks as they are done, in any order.

    Args:
        tasks: what is done at a time.
        work: does a task; it ends early where `stopped()`.
        num_workers: processes; 0 works in this one, None means one a core.

    Raises:
        DataError: a process was killed.
    """
    workers = min(default_workers(num_workers), len(tasks))
    if workers == 0:
        for task in tasks:
            yield from work(task)
        return
    stop = process_context(__name__).Event()
    pool = start_processes(workers, _remember, stop, preloaded=__name__)
    try:
        for done in concurrent.futures.as_completed([pool.submit(work, task) for task in tasks]):
            yield from done.result()
    except BrokenProcessPool as cause:
        raise DataError(
            "a process that made images was killed, probably for lack of memory. Try again with fewer --num_workers."
        ) from cause
    finally:
        stop.set()
        pool.shutdown(cancel_futures=True)


def stopped() -> bool:
    """In a worker: whether the parent wants no more images."""
    return _stop is not None and _stop.is_set()


def _remember(stop: Event) -> None:
    global _stop
    _stop = stop


def _make_images(task: Task, *, config: SyntheticConfig, images: Path) -> list[Row]:
    """Make and write the images of one task; fewer where the parent says stop."""
    pristine = load_reference(task.reference, config)
    rows = []
    for number in task.numbers:
        if stopped():
            break
        sample = make_sample(pristine, number, config)
        name = f"{number:05d}.png"
        write_png(images / name, sample.pixels)
        rows.append(Row(number, _cells(name, sample, task.reference)))
    return rows


def _cells(name: str, sample: Sample, reference: Reference) -> tuple[str, ...]:
    steps = [cell for step in sample.steps for cell in (step.distortion.name, f"{step.severity:.4f}")]
    label = (f"{sample.label.mos:.4f}", f"{sample.label.mos_std:.4f}")
    return (name, *label, reference.split, reference.name, *steps, *[""] * (4 - len(steps)))


def versions() -> dict[str, str]:
    """What the bytes also depend on: encoders, filters, random streams."""
    packages = {
        name: importlib.metadata.version(name) for name in ("linearityiqa", "numpy", "scipy", "scikit-image", "Pillow")
    }
    codecs = {f"Pillow's {codec}": str(features.version(codec)) for codec in ("jpg", "jpg_2000", "zlib")}
    return {**packages, **codecs, "machine": platform.machine()}
