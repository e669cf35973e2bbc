"""What the loss and the scale of the labels do, over seeds: the ablation of docs/benchmarks.md.

    python benchmarks/loss_ablation.py --labels mos.csv --weights mobilenet_v2.pth --output ablation

Trains mobilenet_v2 at 256 x 256 from ImageNet weights with every arm and seed, under one budget, on the training split
of a CSV database whose MOS lie in 0..1 (they are multiplied by 100), and tests every epoch on its validation and test
images together. Nothing is chosen on those images: the tables give every epoch. Runs go on where they stopped; with
--report_only the tables are made of what is there.
"""

import argparse
import csv
import statistics
from pathlib import Path

from linearityiqa.config import (
    DataConfig,
    DeviceConfig,
    LabelScale,
    LossConfig,
    LossType,
    ModelConfig,
    OptimiserConfig,
    RunConfig,
    TrainConfig,
    TransformConfig,
    run_folder,
)
from linearityiqa.reporting import Table
from linearityiqa.reproduce.folders import read_curves

ARMS: dict[str, tuple[LossType, LabelScale]] = {
    "Norm-in-Norm": ("norm-in-norm", "given"),
    "MSE, MOS as given": ("mse", "given"),
    "MSE, standardised MOS": ("mse", "standard"),
    "MAE, MOS as given": ("mae", "given"),
    "MAE, standardised MOS": ("mae", "standard"),
}
SEEDS = (1, 2, 3)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--labels", type=Path, required=True, help="CSV with image_name, mos in 0..1, split")
    parser.add_argument("--weights", type=Path, required=True, help="ImageNet weights of torchvision's mobilenet_v2")
    parser.add_argument("--output", type=Path, default=Path("ablation"))
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=list(ARMS))
    parser.add_argument("--report_only", action="store_true")
    options = parser.parse_args()
    labels = write_labels(options.labels, options.output)
    runs = {(arm, seed): run_of(arm, seed, labels, options) for seed in options.seeds for arm in options.arms}
    if not options.report_only:
        from linearityiqa.training import train

        for config in runs.values():
            train(config)
    for metric in ("SROCC", "PLCC"):
        print(table_of(metric, runs, options.epochs).to_markdown())


def write_labels(source: Path, folder: Path) -> Path:
    """The labels with MOS in 0..100, and validation and test images as one validation split."""
    with source.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "labels.csv"
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(("image_name", "mos", "split"))
        for row in rows:
            split = "train" if row["split"] == "train" else "val"
            writer.writerow((row["image_name"], f"{100 * float(row['mos']):.4f}", split))
    return path


def run_of(arm: str, seed: int, labels: Path, options: argparse.Namespace) -> TrainConfig:
    loss_type, label_scale = ARMS[arm]
    return TrainConfig(
        loss=LossConfig(loss_type=loss_type),
        model=ModelConfig(architecture="mobilenet_v2"),
        data=DataConfig(dataset=str(labels), image_dir=options.labels.parent / "images"),
        transform=TransformConfig(resize=True, resize_size_h=256, resize_size_w=256),
        optimiser=OptimiserConfig(
            seed=seed, weights=str(options.weights), epochs=options.epochs, label_scale=label_scale
        ),
        device=DeviceConfig(num_workers=0),
        run=RunConfig(log_dir=options.output / "runs"),
    )


def table_of(metric: str, runs: dict[tuple[str, int], TrainConfig], epochs: int) -> Table:
    """Mean over the seeds after each epoch, with the lowest and the highest, and how many seeds there are."""
    rows = []
    for arm in dict.fromkeys(arm for arm, _ in runs):
        cells: list[str] = [arm]
        for epoch in range(epochs):
            found = [
                curves["val"][metric][epoch]
                for (name, _), config in runs.items()
                if name == arm and (curves := curves_of(config)) and len(curves["val"][metric]) > epoch
            ]
            spread = (
                f"{statistics.mean(found):.3f} ({min(found):.3f} to {max(found):.3f}; {len(found)})" if found else "–"
            )
            cells.append(spread)
        rows.append(cells)
    columns = ["training", *(f"epoch {epoch + 1}: mean (range; seeds)" for epoch in range(epochs))]
    return Table(f"{metric} on 600 images", columns, rows)


def curves_of(config: TrainConfig) -> dict:
    folder = run_folder(config)
    curves = read_curves(folder) if (folder / "metrics.csv").exists() else {}
    return curves if "val" in curves else {}


if __name__ == "__main__":
    main()
