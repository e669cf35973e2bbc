"""Make the small model in the package: its database, its training, its ONNX file, its figures and its card.

    python scripts/bundled_model.py train --work bundled     # about an hour of one core; goes on after a stop
    python scripts/bundled_model.py export --work bundled
    python scripts/bundled_model.py evaluate --work bundled --photographs biq2021/mos.csv --name BIQ2021
    python scripts/bundled_model.py card

`train` and `export` only call the commands of the package, which the card names too.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import pearsonr, spearmanr

from linearityiqa import Scorer
from linearityiqa.config import TransformConfig
from linearityiqa.data.csvfile import read_csv
from linearityiqa.scoring.onnx_file import read_onnx

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "linearityiqa" / "bundled"
MODEL, FIGURES, CARD = PACKAGE / "model.onnx", PACKAGE / "figures.json", PACKAGE / "card.md"
DOCUMENT = ROOT / "docs" / "model_card.md"
TEMPLATE = Path(__file__).with_name("bundled_card.md")

SIZE = (384, 512)
"""Height and width that photographs are resized to."""
OTHER_SIZES = ((192, 256), (288, 384), None)
"""Sizes that are compared with it on the validation part of the photographs; None is their own."""

MAKE = "linearityiqa datasets make --output database --images 4000 --height 192 --width 256 --dead_leaves 160"
TRAIN = (
    "linearityiqa train --dataset database/labels.csv --architecture shufflenet_v2_x0_5 --weights none "
    "--batch_size 32 --learning_rate 2e-3 --ft_lr_ratio 1 --epochs 36 "
    "--augmentation --angle 0 --crop_size_h 168 --crop_size_w 224 "
    "--device cpu --num_threads 1 --output run"
)
EXPORT = (
    "linearityiqa export --model run/model.safetensors --output model.onnx --with_map --trained_on synthetic "
    f"--resize --resize_size_h {SIZE[0]} --resize_size_w {SIZE[1]}"
)

RESAMPLES = 2000
LINE = 100
"""Longest line of a command on the card."""
Interval = list[float]
"""A figure, and the bounds of its 95 % interval."""


def run(commands: Iterable[str], folder: Path) -> None:
    """Carry out commands of the package in a folder, with this Python."""
    folder.mkdir(parents=True, exist_ok=True)
    for command in commands:
        print(f"$ {command}", flush=True)
        _, *words = command.split()
        subprocess.run([sys.executable, "-m", "linearityiqa", *words], cwd=folder, check=True)


def export(folder: Path) -> None:
    """Write the ONNX file and put it into the package."""
    run([EXPORT], folder)
    PACKAGE.mkdir(exist_ok=True)
    MODEL.write_bytes((folder / "model.onnx").read_bytes())


def scores(paths: Sequence[Path], size: tuple[int, int] | None = SIZE) -> NDArray[np.float64]:
    """Scores of images; one that cannot be scored ends everything."""
    transform = (
        TransformConfig(resize=True, resize_size_h=size[0], resize_size_w=size[1]) if size else TransformConfig()
    )
    results = list(Scorer(MODEL, transform=transform, num_threads=1).score_many(paths))
    for result in results:
        if result.score is None:
            raise SystemExit(result.error)
    return np.array([result.score for result in results])


def figures(predictions: NDArray[np.float64], mos: NDArray[np.float64], groups: Sequence[str]) -> dict[str, Any]:
    """Correlations with intervals over resamples of whole groups: images of one reference are not independent."""
    names, members = np.unique(np.asarray(groups), return_inverse=True)
    rows = [np.flatnonzero(members == group) for group in range(len(names))]
    rng = np.random.default_rng(0)
    found: dict[str, Any] = {"images": len(mos), "references": len(names)}
    draws = [np.concatenate([rows[k] for k in rng.integers(len(names), size=len(names))]) for _ in range(RESAMPLES)]
    for name, correlation in (("SROCC", spearmanr), ("PLCC", pearsonr)):
        resampled = [correlation(predictions[draw], mos[draw]).statistic for draw in draws]
        low, high = np.nanquantile(resampled, (0.025, 0.975))
        found[name] = [round(float(value), 4) for value in (correlation(predictions, mos).statistic, low, high)]
    return found


def on_synthetic(folder: Path) -> dict[str, Any]:
    """Figures on the test images of the synthetic database, at their own size, and of each distortion alone."""
    labels = read_csv(folder / "labels.csv", others=True)
    others = labels.others
    chosen = (labels.splits or {})["test"].tolist()
    predictions, mos = scores([folder / "images" / labels.names[i] for i in chosen], None), labels.mos[chosen]
    found = figures(predictions, mos, [(labels.references or ())[i] for i in chosen])
    alone = {}
    first = np.array([others["distortion1"][i] for i in chosen])
    second = np.array([others["distortion2"][i] for i in chosen])
    for distortion in sorted(set(first) - {""}):
        mask = (first == distortion) & (second == "")
        alone[distortion] = [int(mask.sum()), round(float(spearmanr(predictions[mask], mos[mask]).statistic), 3)]
    return found | {"distortions": alone}


def on_photographs(csv: Path, name: str) -> dict[str, Any]:
    """Figures on rated photographs; sizes are compared on the validation part, which the figures leave out."""
    labels = read_csv(csv)
    paths = [csv.parent / "images" / image for image in labels.names]
    splits = labels.splits or {}
    validation, rest = splits["val"].tolist(), np.sort(np.concatenate([splits["train"], splits["test"]])).tolist()
    sizes = {
        "own" if size is None else f"{size[0]} x {size[1]}": round(
            float(spearmanr(scores([paths[i] for i in validation], size), labels.mos[validation]).statistic), 4
        )
        for size in (SIZE, *OTHER_SIZES)
    }
    found = figures(scores([paths[i] for i in rest]), labels.mos[rest], [labels.names[i] for i in rest])
    return found | {"name": name, "sizes": sizes, "validation images": len(validation)}


def wrapped(command: str) -> str:
    """A command over several lines, as a shell takes it; no option is torn from its value."""
    words = command.replace(" --", "\n--").splitlines()
    lines = [words[0]]
    for word in words[1:]:
        if len(lines[-1]) + len(word) < LINE:
            lines[-1] += f" {word}"
        else:
            lines.append(f"  {word}")
    return " \\\n".join(lines)


def card() -> None:
    """Write the card, in the package and among the documents, from its template and the figures."""
    found = json.loads(FIGURES.read_text())
    values = {
        "size": f"{MODEL.stat().st_size / 1e6:.1f}",
        "height": SIZE[0],
        "width": SIZE[1],
        "epoch": read_onnx(MODEL).note.record.epoch,
        "make": wrapped(MAKE),
        "train": wrapped(TRAIN),
        "export": wrapped(EXPORT),
        "distortions": "\n".join(
            f"| {name.replace('_', ' ')} | {count} | {value:.2f} |"
            for name, (count, value) in found["synthetic"]["distortions"].items()
        ),
        "sizes": ", ".join(f"{size}: {value:.3f}" for size, value in found["photographs"]["sizes"].items()),
    }
    for part in ("synthetic", "photographs"):
        for figure in ("SROCC", "PLCC"):
            value, low, high = found[part][figure]
            values[f"{part}_{figure.lower()}"] = f"{value:.3f} ({low:.3f} to {high:.3f})"
        values[f"{part}_images"], values[f"{part}_references"] = found[part]["images"], found[part]["references"]
    values["photographs_name"] = found["photographs"]["name"]
    values["validation_images"] = found["photographs"]["validation images"]
    text = TEMPLATE.read_text().format_map(values)
    for path in (CARD, DOCUMENT):
        path.write_text(text)


def main() -> None:
    """Carry out one step."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", choices=("train", "export", "evaluate", "card"))
    parser.add_argument("--work", type=Path, default=Path("bundled"), help="folder of the database and the run")
    parser.add_argument("--photographs", type=Path, help="CSV of rated photographs, with a split column")
    parser.add_argument("--name", default="rated photographs", help="how the card calls them")
    options = parser.parse_args()
    match options.step:
        case "train":
            run([MAKE, TRAIN], options.work)
        case "export":
            export(options.work)
        case "evaluate":
            if options.photographs is None:
                parser.error("evaluate needs --photographs CSV")
            found = {
                "synthetic": on_synthetic(options.work / "database"),
                "photographs": on_photographs(options.photographs, options.name),
            }
            FIGURES.write_text(json.dumps(found, indent=2) + "\n")
        case "card":
            card()


if __name__ == "__main__":
    main()
