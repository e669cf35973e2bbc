"""What the loss and the scale of the labels do, over seeds and settings: docs/replication.md and docs/benchmarks.md.

    python benchmarks/loss_ablation.py --labels mos.csv --weights mobilenet_v2.pth --output ablation
    python benchmarks/loss_ablation.py --labels split.csv --images BIQ2021/Images --output replication \\
        --architecture timm/tf_efficientnet_lite0 --size 224 --epochs 10    # the whole of BIQ2021
    python benchmarks/loss_ablation.py ... --settings all    # other learning rates, batches, numbers of images, scales

Trains a network (by default mobilenet_v2 at 256 x 256) from ImageNet weights with every arm, setting and seed, under
one budget, on the training split of a CSV database whose MOS lie in 0..1 (they are multiplied by 100), and tests every
epoch on its validation and test images together. Nothing is chosen on those images: the tables give every epoch. Runs
resume where they stopped; with --report_only the tables are made of what is there.
"""

import argparse
import statistics
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ablation import (
    METRICS,
    Runs,
    draw,
    parser_of,
    read_labels,
    run_of,
    tables,
    train_all,
    values_of,
    write_csv,
    write_labels,
)

from linearityiqa.config import LossConfig, OptimiserConfig, run_folder, runfiles
from linearityiqa.evaluation import read_predictions_csv
from linearityiqa.metrics import Difference, compare
from linearityiqa.reporting import Table
from linearityiqa.reproduce.arms import ARMS, PROPOSED, STANDARDISED


@dataclass(frozen=True)
class Setting:
    """What is done otherwise than in the paper: options of the optimiser, and what is trained on."""

    optimiser: dict[str, Any] = field(default_factory=dict)
    train_images: int | None = None
    two_scales: bool = False


PAPER = "the paper's"
SETTINGS: dict[str, Setting] = {
    PAPER: Setting(),
    "learning rate 1e-5": Setting({"learning_rate": 1e-5}),
    "learning rate 1e-3": Setting({"learning_rate": 1e-3}),
    "learning rate 1e-2": Setting({"learning_rate": 1e-2}),
    "batches of 4": Setting({"batch_size": 4}),
    "batches of 32": Setting({"batch_size": 32}),
    "backbone frozen": Setting({"ft_lr_ratio": 0.0}),
    "backbone at the rate of the heads": Setting({"ft_lr_ratio": 1.0}),
    "250 images": Setting(train_images=250),
    "1,000 images": Setting(train_images=1000),
    "4,000 images": Setting(train_images=4000),
    "half of the MOS on 0..100, half on 0..5": Setting(two_scales=True),
}


def main() -> None:
    parser = parser_of(__doc__, ARMS, output="ablation", size=256, epochs=2)
    parser.add_argument("--settings", nargs="+", choices=(*SETTINGS, "all"), default=[PAPER], metavar="SETTING")
    options = parser.parse_args()
    names = list(SETTINGS) if "all" in options.settings else options.settings
    runs = {name: runs_of(SETTINGS[name], options) for name in names}
    if not options.report_only:
        # seed by seed: what is there after a stop says something of every setting
        every = [(seed, config) for name in names for (_, seed), config in runs[name].items()]
        train_all((config for seed in options.seeds for its, config in every if its == seed), options)
    if len(names) > 1:
        for metric in METRICS:
            print(settings_table(metric, runs, options).to_markdown())
        print(lead_table(runs, options.seeds[0]).to_markdown())
    else:
        for table in tables(runs[names[0]], options.epochs, base=PROPOSED):
            print(table.to_markdown())
    if options.figure is not None:
        draw(runs[names[0]], options.epochs, options.figure)


def settings_table(metric: str, runs: dict[str, Runs], options: argparse.Namespace) -> Table:
    """A metric of every arm after the last epoch, in every setting: the mean over the seeds that are there."""
    rows = []
    for name, its_runs in runs.items():
        found = [list(values_of(its_runs, arm, metric, options.epochs).values()) for arm in options.arms]
        rows.append([name, *(f"{statistics.mean(values):.3f}" if values else "–" for values in found)])
    return Table(f"{metric} on the validation and test images after epoch {options.epochs}", ["", *options.arms], rows)


def lead_table(runs: dict[str, Runs], seed: int) -> Table:
    """Norm-in-Norm less MSE on standardised MOS in every setting, with intervals over the images, not the seeds."""
    rows = []
    for name, its_runs in runs.items():
        pair_of_runs = [its_runs[arm, seed] for arm in (PROPOSED, STANDARDISED["MSE"]) if (arm, seed) in its_runs]
        files = [run_folder(run) / runfiles.PREDICTIONS for run in pair_of_runs]
        if len(files) == 2 and all(file.exists() for file in files):
            ours, theirs = map(read_predictions_csv, files)
            (pair,) = compare({"ours": ours.prediction, "theirs": theirs.prediction}, ours.mos).pairs
            rows.append([name, *(in_words(pair.differences[metric]) for metric in METRICS)])
    title = "Norm-in-Norm less MSE on standardised MOS, each at its best epoch (paired bootstrap over the images)"
    return Table(title, ["", *METRICS], rows)


def in_words(found: Difference) -> str:
    interval = found.interval
    return f"{found.value:+.3f} ({interval.low:+.3f} to {interval.high:+.3f})" if interval else f"{found.value:+.3f}"


def runs_of(setting: Setting, options: argparse.Namespace) -> Runs:
    """The run of every arm and seed in a setting."""
    labels = labels_of(setting, options)
    runs = {}
    for seed in options.seeds:
        for arm in options.arms:
            loss_type, label_scale = ARMS[arm]
            if setting.two_scales and label_scale == "given" and loss_type != "norm-in-norm":
                continue  # which compare scores as they are: the program refuses two scales at once
            optimiser = OptimiserConfig(
                seed=seed,
                weights=options.weights,
                epochs=options.epochs,
                label_scale=label_scale,
                **setting.optimiser,
            )
            runs[arm, seed] = run_of(LossConfig(loss_type=loss_type), optimiser, labels, options)
    return runs


def labels_of(setting: Setting, options: argparse.Namespace) -> list[Path]:
    """The label files that are trained on; what is tested is in the first."""
    count = setting.train_images or options.train_images
    if not setting.two_scales:
        return [write_labels(options.labels, options.output, count)]
    training, tested = read_labels(options.labels, count)
    half = len(training) // 2
    name = "labels" if count is None else f"labels-{count}"
    return [
        write_csv(options.output / f"{name}-0-100.csv", training[:half], tested),
        write_csv(options.output / f"{name}-0-5.csv", training[half:], [], scale=5),
    ]


if __name__ == "__main__":
    main()
