"""What the ablations share: a database with MOS in 0..1, a network, arms that differ in a few options, and seeds.

Every arm is trained with every seed on the training split, and tested after every epoch on the validation and test
images together. Nothing is chosen on those images: the tables give every epoch. Runs resume where they stopped; with
--report_only the tables are made of what is there.
"""

import argparse
import csv
import statistics
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from linearityiqa.config import (
    DataConfig,
    DeviceConfig,
    LossConfig,
    ModelConfig,
    OptimiserConfig,
    RunConfig,
    TrainConfig,
    TransformConfig,
    run_folder,
)
from linearityiqa.errors import DivergedError
from linearityiqa.reporting import Table, convergence, figure_bytes
from linearityiqa.reproduce.arms import Values, mean_words
from linearityiqa.reproduce.run_folders import read_curves

SEEDS = (1, 2, 3)
METRICS = ("SROCC", "PLCC")
Runs = dict[tuple[str, int], TrainConfig]
"""The run of each arm and seed."""


def parser_of(description: str, arms: Iterable[str], *, output: str, size: int, epochs: int) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--labels", type=Path, required=True, help="CSV with image_name, mos in 0..1, split")
    parser.add_argument("--images", type=Path, help="folder of the images; by default images/ beside the labels")
    parser.add_argument("--architecture", default="mobilenet_v2")
    parser.add_argument("--weights", default="imagenet", help="imagenet, or a file of weights of the backbone")
    parser.add_argument("--output", type=Path, default=Path(output))
    parser.add_argument("--size", type=int, default=size, help="height and width of the images")
    parser.add_argument("--train_images", type=int, help="train on so many images, drawn at random; by default all")
    parser.add_argument("--epochs", type=int, default=epochs)
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    parser.add_argument("--arms", nargs="+", choices=tuple(arms), default=tuple(arms))
    parser.add_argument("--device", default="auto")
    parser.add_argument("--num_workers", type=int, default=0, help="processes that decode the images, once")
    parser.add_argument("--jobs", type=int, default=1, help="runs at once, each a process of its own")
    parser.add_argument("--report_only", action="store_true")
    parser.add_argument("--figure", type=Path, help="draw the curves into this PNG file")
    return parser


def run_all(options: argparse.Namespace, options_of: Callable[[str, int], tuple[LossConfig, OptimiserConfig]]) -> Runs:
    """Train what is not trained yet.

    Args:
        options: of the command line.
        options_of: loss and optimiser of an arm and a seed; weights, seed and epochs are filled in here.
    """
    labels = write_labels(options.labels, options.output, options.train_images)
    runs = {
        (arm, seed): run_of(*options_of(arm, seed), [labels], options) for seed in options.seeds for arm in options.arms
    }
    if not options.report_only:
        train_all(runs.values(), options)
    return runs


def train_all(configs: Iterable[TrainConfig], options: argparse.Namespace) -> None:
    """Carry out runs in their order, `--jobs` at once."""
    if options.jobs == 1:
        for config in configs:
            train_one(config)
        return
    with ProcessPoolExecutor(options.jobs, mp_context=get_context("spawn")) as pool:
        for run in [pool.submit(train_one, config) for config in configs]:
            run.result()


def train_one(config: TrainConfig) -> None:
    """Carry out a run; one that diverges has a curve up to there, and that is its result."""
    from linearityiqa.training import train

    try:
        train(config)
    except DivergedError as problem:
        print(f"{run_folder(config)}: {problem}", file=sys.stderr, flush=True)


def read_labels(source: Path, train_images: int | None) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """The rows that are trained on, all or so many drawn at random, and those that are tested."""
    with source.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    training = [row for row in rows if row["split"] == "train"]
    if train_images is not None:
        chosen = np.random.default_rng(0).choice(len(training), train_images, replace=False)
        training = [training[number] for number in sorted(chosen)]
    return training, [row for row in rows if row["split"] != "train"]


def write_labels(source: Path, folder: Path, train_images: int | None) -> Path:
    """The labels with MOS in 0..100, validation and test images as one validation split, and fewer training images."""
    name = "labels" if train_images is None else f"labels-{train_images}"
    return write_csv(folder / f"{name}.csv", *read_labels(source, train_images))


def write_csv(path: Path, training: list[dict[str, str]], tested: list[dict[str, str]], scale: float = 100) -> Path:
    """A label file whose MOS are those of the rows times `scale`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(("image_name", "mos", "split"))
        for split, rows in (("train", training), ("val", tested)):
            writer.writerows((row["image_name"], f"{scale * float(row['mos']):.4f}", split) for row in rows)
    return path


def run_of(
    loss: LossConfig, optimiser: OptimiserConfig, labels: list[Path], options: argparse.Namespace
) -> TrainConfig:
    first, *more = map(str, labels)
    images = options.images or options.labels.parent / "images"
    return TrainConfig(
        loss=loss,
        model=ModelConfig(architecture=options.architecture),
        data=DataConfig(
            dataset=first, image_dir=images, more_datasets=tuple(more), more_image_dirs=(images,) * len(more)
        ),
        transform=TransformConfig(resize=True, resize_size_h=options.size, resize_size_w=options.size),
        optimiser=optimiser,
        device=DeviceConfig(
            device=options.device, num_workers=options.num_workers, cache=str(options.output.resolve() / "cache")
        ),
        run=RunConfig(log_dir=options.output / "runs", pbar=options.jobs == 1),
    )


def values_of(runs: Runs, arm: str, metric: str, epoch: int) -> Values:
    """A metric of an arm after an epoch (from 1), by seed, as far as there are runs."""
    found = {}
    for (name, seed), config in runs.items():
        if name == arm:
            values = curves_of(config).get("val", {}).get(metric, [])
            if len(values) >= epoch:
                found[seed] = values[epoch - 1]
    return found


def tables(runs: Runs, epochs: int, base: str) -> Iterator[Table]:
    """For each metric, every arm after each epoch, and after the last one less the arm `base`, seed by seed."""
    for metric in METRICS:
        yield table_of(metric, runs, epochs)
        yield differences(metric, runs, epochs, base)
    yield lead(runs, epochs, base)


def draw(runs: Runs, epochs: int, path: Path) -> None:
    """Write the curves of every arm: means over the seeds that have reached an epoch."""
    curves = {
        arm: {
            metric: [
                statistics.mean(values.values())
                for epoch in range(1, epochs + 1)
                if (values := values_of(runs, arm, metric, epoch))
            ]
            for metric in METRICS
        }
        for arm in arms_of(runs)
    }
    figure = convergence({arm: found for arm, found in curves.items() if found["SROCC"]}, metrics=METRICS)
    path.write_bytes(figure_bytes(figure))


def table_of(metric: str, runs: Runs, epochs: int) -> Table:
    rows = [
        [arm, *(spread(values_of(runs, arm, metric, epoch)) for epoch in range(1, epochs + 1))] for arm in arms_of(runs)
    ]
    columns = ["training", *(f"epoch {epoch}: {SPREAD}" for epoch in range(1, epochs + 1))]
    return Table(f"{metric} on the validation and test images", columns, rows)


def differences(metric: str, runs: Runs, epochs: int, base: str) -> Table:
    of_base = values_of(runs, base, metric, epochs)
    rows = []
    for arm in arms_of(runs):
        values = values_of(runs, arm, metric, epochs)
        if arm != base:
            gains = {seed: values[seed] - of_base[seed] for seed in sorted(values.keys() & of_base.keys())}
            rows.append([arm, spread(gains, sign="+")])
    return Table(f"{metric} less that of {base}, same seed", ["training", f"after epoch {epochs}: {SPREAD}"], rows)


def lead(runs: Runs, epochs: int, base: str) -> Table:
    """The first epoch at which each arm reaches what `base` has after its first, with the same seed."""
    rows = []
    for arm in arms_of(runs):
        if arm != base:
            rows.append([arm, *(first_epochs(runs, arm, metric, epochs, base) for metric in METRICS)])
    title = f"First epoch with at least the figure of {base} after one epoch, seed by seed"
    return Table(title, ["training", *METRICS], rows)


def first_epochs(runs: Runs, arm: str, metric: str, epochs: int, base: str) -> str:
    found = []
    for seed, level in values_of(runs, base, metric, 1).items():
        trained = [values_of(runs, arm, metric, epoch).get(seed) for epoch in range(1, epochs + 1)]
        if known := [value for value in trained if value is not None]:
            reached = next((epoch for epoch, value in enumerate(known, 1) if value >= level), None)
            found.append(f"none of {len(known)}" if reached is None else str(reached))
    return ", ".join(found) or "–"


SPREAD = "mean ± 95 % interval over seeds (range; seeds)"


def spread(values: Values, sign: str = "") -> str:
    """Mean, Student's interval of the mean, lowest and highest, and how many there are."""
    if not values:
        return "–"
    low, high = min(values.values()), max(values.values())
    return f"{mean_words(values, len(values), sign=sign)} ({low:{sign}.3f} to {high:{sign}.3f}; {len(values)})"


def arms_of(runs: Runs) -> tuple[str, ...]:
    return tuple(dict.fromkeys(arm for arm, _ in runs))


def curves_of(config: TrainConfig) -> dict:
    folder = run_folder(config)
    return read_curves(folder) if (folder / "metrics.csv").exists() else {}
