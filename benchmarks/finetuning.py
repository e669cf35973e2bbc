"""What a trained quality model saves someone who has 200 labelled photographs of another kind.

    python benchmarks/finetuning.py --labels split.csv --images BIQ2021/Images --output finetuning

Cuts one subset (the names that begin with --subset) out of BIQ2021, and trains a general model on the rest. Then, for
every draw of --count photographs from the subset's training part (a fifth of them to validate on), one run starts from
that model and another from ImageNet weights. All are tested on the subset's part of the official test set, beside the
general model as it is. Runs resume where they stopped. Learning rates were set beforehand, not tuned.
"""

import argparse
import csv
import statistics
from dataclasses import replace
from pathlib import Path

import numpy as np

from linearityiqa.config import DataConfig, DeviceConfig, ModelConfig, RunConfig, TrainConfig, with_recipe
from linearityiqa.metrics import plcc, srocc
from linearityiqa.reporting import Table
from linearityiqa.scoring import Scorer
from linearityiqa.training import RunResult, train

Rows = list[dict[str, str]]
FIGURES = ("SROCC", "PLCC")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--labels", type=Path, required=True, help="CSV with image_name, mos in 0..1, split")
    parser.add_argument("--images", type=Path, required=True, help="folder of the photographs")
    parser.add_argument("--subset", default="ss01")
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--architecture", default="timm/tf_efficientnet_lite0")
    parser.add_argument("--size", type=int, default=320, help="side of the area that photographs are reduced to")
    parser.add_argument("--crop", type=int, default=224, help="side of the crops that are trained on")
    parser.add_argument("--general_epochs", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--output", type=Path, default=Path("finetuning"))
    options = parser.parse_args()
    with options.labels.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    general, of_subset = [], []
    for row in rows:
        (of_subset if row["image_name"].startswith(options.subset) else general).append(row)
    test = [row for row in of_subset if row["split"] == "test"]
    known = [row for row in general if row["split"] != "test"]
    model = train(run_of("general", known, options, epochs=options.general_epochs)).model_file
    figures = {"the general model as it is": [figures_of(model, test, options.images)]}
    for draw in range(options.draws):
        labelled = drawn(of_subset, options.count, draw)
        for name, settings in {
            f"{options.count} photographs, from the general model": {"init": str(model), "learning_rate": 3e-4},
            f"{options.count} photographs, from ImageNet weights": {},
        }.items():
            folder = f"{'init' if settings else 'imagenet'}-{draw}"
            run = run_of(folder, labelled + test, options, epochs=options.epochs, batch_size=8, **settings)
            figures.setdefault(name, []).append(of_run(train(run)))
    print(table_of(figures, len(test)).to_markdown())


def drawn(rows: Rows, count: int, draw: int) -> Rows:
    """Labelled photographs of a draw, a fifth of them for validation."""
    pool = [row for row in rows if row["split"] != "test"]
    chosen = np.random.default_rng([2020, draw]).choice(len(pool), count, replace=False)
    return [{**pool[row], "split": "val" if place < count // 5 else "train"} for place, row in enumerate(chosen)]


def run_of(name: str, rows: Rows, options: argparse.Namespace, **optimiser: object) -> TrainConfig:
    """A run with the modern recipe on smaller images, in a folder of its own."""
    labels = options.output / f"{name}.csv"
    labels.parent.mkdir(parents=True, exist_ok=True)
    with labels.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(("image_name", "mos", "split"))
        writer.writerows((row["image_name"], f"{100 * float(row['mos']):.4f}", row["split"]) for row in rows)
    modern = with_recipe("modern")
    return replace(
        modern,
        model=ModelConfig(architecture=options.architecture),
        data=DataConfig(dataset=str(labels), image_dir=options.images),
        transform=replace(modern.transform, resize_size_h=options.size, resize_size_w=options.size),
        augmentation=replace(modern.augmentation, crop_size_h=options.crop, crop_size_w=options.crop),
        optimiser=replace(modern.optimiser, **optimiser),
        device=DeviceConfig(num_workers=0),
        run=RunConfig(output=options.output / name),
    )


def of_run(result: RunResult) -> dict[str, float]:
    return {name: result.figure("test", name) for name in FIGURES}


def figures_of(model: Path, rows: Rows, images: Path) -> dict[str, float]:
    mos = [float(row["mos"]) for row in rows]
    scores = [image.score for image in Scorer(model).score_many(images / row["image_name"] for row in rows)]
    return {"SROCC": srocc(scores, mos), "PLCC": plcc(scores, mos)}


def table_of(figures: dict[str, list[dict[str, float]]], images: int) -> Table:
    rows = []
    for name, draws in figures.items():
        values = [[draw[figure] for draw in draws] for figure in FIGURES]
        rows.append([name, *(f"{statistics.mean(v):.3f} ({min(v):.3f} to {max(v):.3f})" for v in values)])
    return Table(f"{images} test photographs", ["", *(f"{name}: mean (range of the draws)" for name in FIGURES)], rows)


if __name__ == "__main__":
    main()
