"""Make the model in the package anew, from the 12,000 photographs of BIQ2021.

    git clone https://github.com/nisarahmedrana/BIQ2021
    python scripts/bundled_model.py --biq2021 BIQ2021 --work bundled

Carries out commands of the package, which it prints: splits by scene, trains in two runs, exports, measures the model
on the official test set and elsewhere (`benchmarks/elsewhere.py`: what it finds beside BIQ2021), and writes its card. A
later call resumes where an earlier one stopped. What was tried besides is in docs/benchmarks.md. With --before the card
has an earlier model file beside this one, with --brisque BRISQUE (`pip install brisque "numpy<2"` in an environment of
its own).
"""

import argparse
import csv
import random
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from linearityiqa.config import DataConfig
from linearityiqa.files import atomic_path
from linearityiqa.models import open_model, save_model
from linearityiqa.quality import QualityScale

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "linearityiqa" / "bundled"
NAME = "BIQ2021"
LABELS = "Train (Images and MOS).csv"

SPLIT = "datasets split --dataset LABELS --val 0.085 --by_scene --output split.csv"
IMAGES = "--dataset photographs.csv --image_dir IMAGES --cache cache"
TRAIN = (
    f"train --recipe modern --versions 0 --turn_p 0 --epochs 1 --seed 1 {IMAGES} --output first",
    "train --recipe modern --epochs 2 --warmup_epochs 0.1 --seed 2 --init first/model.safetensors "
    f"{IMAGES} --output second",
)
EXPORT = "export --model model.safetensors --output model.onnx --with_map --float16"
FAST = "export --model model.safetensors --output model-int8.onnx --with_map --int8 --calibration calibration"
CALIBRATION = 200
"""Training photographs for the file in 8 bits: one half sets its ranges, the other judges it."""


def run(command: str, folder: Path, **paths: Path) -> None:
    """Carry out a command of the package in a folder, with this Python; words in capitals stand for paths."""
    words = [str(paths.get(word.lower(), word)) for word in command.split()]
    print("$ linearityiqa", *words, flush=True)
    subprocess.run([sys.executable, "-m", "linearityiqa", *words], cwd=folder, check=True)


def run_script(script: str, *words: str | Path) -> None:
    """Carry out a script of the repository."""
    print("$ python", script, *words, flush=True)
    subprocess.run([sys.executable, ROOT / script, *words], check=True)


def training_labels(work: Path) -> None:
    """The training and validation photographs with MOS x 100; the test set stays out of reach."""
    with (work / "split.csv").open(newline="", encoding="utf-8") as stream:
        rows = [row for row in csv.DictReader(stream) if row["split"] != "test"]
    with (
        atomic_path(work / "photographs.csv") as temporary,
        temporary.open("w", newline="", encoding="utf-8") as stream,
    ):
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(("image_name", "mos", "split", "reference"))
        writer.writerows(
            (row["image_name"], f"{100 * float(row['mos']):.4f}", row["split"], row["reference"]) for row in rows
        )


def calibration_images(images: Path, work: Path) -> None:
    """Link to a random choice of training photographs in a folder."""
    with (work / "photographs.csv").open(newline="", encoding="utf-8") as stream:
        names = [row["image_name"] for row in csv.DictReader(stream) if row["split"] == "train"]
    folder = work / "calibration"
    folder.mkdir(exist_ok=True)
    random.Random(0).shuffle(names)
    for name in names[:CALIBRATION]:
        if not (folder / name).exists():
            (folder / name).symlink_to(images / name)


def package(model: Path, work: Path) -> None:
    """Put a model into the package, without the paths of its run.

    For onnxruntime in float16 and in 8 bits, for torch in float16.
    """
    trained = open_model(model)
    record = replace(
        trained.record,
        database=NAME,
        scale=QualityScale(low=0, high=100),
        opinions=True,
        config=replace(trained.record.config, data=DataConfig(dataset=NAME)),
    )
    save_model(work / "model.safetensors", trained.network, record)
    for command, file in ((EXPORT, "model.onnx"), (FAST, "model-int8.onnx")):
        run(command, work)
        shutil.copyfile(work / file, PACKAGE / file)
    save_model(PACKAGE / "model.safetensors", trained.network.half(), record)


def write_card(source: Path, work: Path, before: Path | None, brisque: Path | None) -> None:
    """Measure the model in the package on the official test set and elsewhere, beside others, and describe it."""
    peers, elsewhere, labels = work / "peers.json", work / "elsewhere.json", work / "split.csv"
    models = [f"bundled={PACKAGE / 'model.onnx'}", *([] if before is None else [f"before={before}"])]
    run_script(
        "benchmarks/elsewhere.py",
        *(*models, "--data", source.parent, "--labels", labels),
        *("--work", work / "elsewhere", "--output", elsewhere),
    )
    run_script(
        "benchmarks/peers.py",
        *("--labels", labels, "--images", source / "Images", "--factor", "100"),
        *("--models", *models, "--work", work / "peers", "--output", peers),
        *(() if brisque is None else ("--brisque", brisque)),
    )
    run_script("scripts/bundled_card.py", "--peers", peers, "--elsewhere", elsewhere)


def main(argv: Sequence[str] | None = None) -> None:
    """Carry out every step that is left."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--biq2021",
        type=Path,
        required=True,
        help="a clone of nisarahmedrana/BIQ2021, as BIQ2021 in a folder of clones",
    )
    parser.add_argument("--work", type=Path, default=Path("bundled"), help="folder of everything in between")
    parser.add_argument("--before", type=Path, help="an earlier model file")
    parser.add_argument("--brisque", type=Path, help="Python of an environment with the package brisque")
    options = parser.parse_args(argv)
    options.work.mkdir(parents=True, exist_ok=True)
    source = options.biq2021.resolve()
    if not (options.work / "split.csv").exists():
        run(SPLIT, options.work, labels=source / LABELS)
    training_labels(options.work)
    for command in TRAIN:
        run(command, options.work, images=source / "Images")
    calibration_images(source / "Images", options.work)
    package(options.work / "second" / "model.safetensors", options.work)
    write_card(source, options.work, options.before, options.brisque)


if __name__ == "__main__":
    main()
