"""Make the model in the package anew, from the 12,000 photographs of BIQ2021.

    git clone https://github.com/nisarahmedrana/BIQ2021
    python scripts/bundled_model.py --biq2021 BIQ2021 --work bundled

Every step finds what an earlier call has made and goes on from there; each prints the command of the package that it
carries out. Steps: photographs (a validation set by scene, MOS x 100), two teachers, graded versions of well-rated
photographs, the teachers' scores, the labels that these give, the student that is trained on them, and the files in
the package. `bundled_card.py` then measures it and writes its card.
"""

import argparse
import csv
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from linearityiqa.config import DataConfig
from linearityiqa.data.csvfile import read_csv
from linearityiqa.files import atomic_path
from linearityiqa.images import image_size
from linearityiqa.models import open_model, save_model

ROOT = Path(__file__).parents[1]
NAME = "BIQ2021"
PACKAGE = ROOT / "src" / "linearityiqa" / "bundled"

SPLIT = "datasets split --dataset {train} --val 0.085 --by_scene --output split.csv"
SIZE = "--resize --resize_mode shrink --resize_size_h 448 --resize_size_w 448"
TRAIN = (
    "train --dataset {labels} --image_dir . {start} "
    "--augmentation --angle 0 --crop_size_h 352 --crop_size_w 352 --scale_min {scale_min} --turn_p 0.15 "
    "--batch_size 32 --learning_rate {rate} --ft_lr_ratio 0.3 --schedule cosine --warmup_epochs 0.2 --epochs {epochs} "
    "--seed {seed} --cache cache --save_minutes 5 --output {name}"
)
TEACHERS = {
    "lite0": {"start": f"--architecture timm/tf_efficientnet_lite0 {SIZE}", "epochs": 4},
    "lite2": {"start": f"--architecture timm/tf_efficientnet_lite2 {SIZE}", "epochs": 8},
}
TEACHER = {"labels": "photographs.csv", "scale_min": 0.8, "rate": "1e-3", "seed": 1}
STUDENT = {"labels": "student.csv", "start": "--init lite0/model.safetensors", "scale_min": 0.75, "rate": "8e-4"}
GRADED = (
    "datasets make --references references --output graded --height 400 --width 400 --distortions_each 3 --levels 3 "
    "--train_ratio 1 --train_and_val_ratio 1 --jpeg"
)
SCORE = "score - --model {teacher}.onnx --output {what}-{teacher}.csv"

WELL_RATED, REFERENCES = 400, 150
"""Of so many of the best-rated training photographs, one a scene, every other one is made into graded versions."""
SIDE = 400
"""Smallest side of those, in pixels."""
SHARE_OF_PEOPLE = 0.5
"""Share of people's opinion in the label of a photograph; the rest is what the teachers say of it."""
STEP = 2.0
"""By so much, at least, does each level of a distortion lower the label, on the scale of 0 to 100."""


def run(command: str, folder: Path, *, listing: str | None = None) -> None:
    """Carry out a command of the package in a folder, with this Python."""
    print(f"$ linearityiqa {command}", flush=True)
    words = [sys.executable, "-m", "linearityiqa", *command.split()]
    subprocess.run(words, cwd=folder, check=True, text=True, input=listing)


def photographs(work: Path, biq2021: Path) -> None:
    """The official split with a validation set cut from its training part, on a scale of 0 to 100."""
    images, train = work / "photographs", work / "train.csv"
    if not images.exists():
        images.symlink_to((biq2021 / "Images").resolve())
        train.symlink_to((biq2021 / "Train (Images and MOS).csv").resolve())
        (work / "Test (Images and MOS).csv").symlink_to((biq2021 / "Test (Images and MOS).csv").resolve())
    if not (work / "split.csv").exists():
        original = biq2021.resolve() / "Train (Images and MOS).csv"
        print(f"$ linearityiqa {SPLIT.format(train=original)}", flush=True)
        words = SPLIT.format(train="TRAIN").split()
        words[words.index("TRAIN")] = str(original)
        subprocess.run([sys.executable, "-m", "linearityiqa", *words], cwd=work, check=True)
    with (work / "split.csv").open(newline="", encoding="utf-8") as stream:
        rows = [row for row in csv.DictReader(stream) if row["split"] != "test"]
    labels = [(f"photographs/{row['image_name']}", f"{100 * float(row['mos']):.3f}", row["split"]) for row in rows]
    write_labels(work / "photographs.csv", labels)


def write_labels(path: Path, rows: Iterable[tuple[str, str, str]]) -> None:
    """Write a CSV file of labels, whole or not at all."""
    with atomic_path(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(("image_name", "mos", "split"))
        writer.writerows(rows)


def references(work: Path) -> None:
    """Links to well-rated training photographs, one of each scene."""
    folder = work / "references"
    if folder.exists():
        return
    folder.mkdir()
    with (work / "split.csv").open(newline="", encoding="utf-8") as stream:
        rows = [row for row in csv.DictReader(stream) if row["split"] == "train"]
    rows.sort(key=lambda row: -float(row["mos"]))
    best: dict[str, str] = {}
    for row in rows:
        if len(best) == WELL_RATED:
            break
        if min(image_size(work / "photographs" / row["image_name"])) >= SIDE:
            best.setdefault(row["reference"], row["image_name"])
    for name in sorted(best.values())[::2][:REFERENCES]:
        (folder / name).symlink_to((work / "photographs" / name).resolve())


def teachers(work: Path) -> None:
    """Train both, and have them score the training photographs and the graded versions."""
    for name, options in TEACHERS.items():
        run(TRAIN.format(**TEACHER, **options, name=name), work)
        if not (work / f"{name}.onnx").exists():
            run(f"export --model {name}/model.safetensors --output {name}.onnx", work)
    run(GRADED, work)
    lists = {"photographs": read_csv(work / "photographs.csv").names, "graded": graded_names(work)}
    for what, names in lists.items():
        for teacher in TEACHERS:
            run(SCORE.format(teacher=teacher, what=what), work, listing="\n".join(names) + "\n")


def graded_names(work: Path) -> list[str]:
    """The graded versions, relative to the working folder."""
    return [f"graded/images/{name}" for name in read_csv(work / "graded" / "labels.csv").names]


def mean_scores(work: Path, what: str) -> dict[str, float]:
    """What the teachers say of each image, on average."""
    found: dict[str, list[float]] = {}
    for teacher in TEACHERS:
        with (work / f"{what}-{teacher}.csv").open(newline="", encoding="utf-8") as stream:
            for row in csv.DictReader(stream):
                found.setdefault(row["path"], []).append(float(row["score"]))
    return {path: float(np.mean(scores)) for path, scores in found.items()}


def student_labels(work: Path) -> None:
    """Opinions mixed with what the teachers say; of graded versions what they say, made to fall with every level."""
    labels, said = read_csv(work / "photographs.csv"), mean_scores(work, "photographs")
    rows = []
    for split, members in (labels.splits or {}).items():
        for row in members.tolist():
            name, mos = labels.names[row], float(labels.mos[row])
            if split == "train":
                mos = SHARE_OF_PEOPLE * mos + (1 - SHARE_OF_PEOPLE) * said[name]
            rows.append((name, f"{mos:.3f}", split))
    rows += [(name, f"{label:.3f}", "train") for name, label in graded_labels(work).items()]
    write_labels(work / "student.csv", rows)


def graded_labels(work: Path) -> dict[str, float]:
    """The teachers' scores of graded versions, lowered where a higher level would not be worse by `STEP`."""
    said, found = mean_scores(work, "graded"), {}
    with (work / "graded" / "labels.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    pristine = {row["photograph"]: f"graded/images/{row['image_name']}" for row in rows if not row["distortion"]}
    found = {name: said[name] for name in pristine.values()}
    last: dict[tuple[str, str], float] = {}
    for row in sorted((row for row in rows if row["distortion"]), key=lambda row: int(row["level"])):
        name, ladder = f"graded/images/{row['image_name']}", (row["photograph"], row["distortion"])
        above = last.get(ladder, found[pristine[row["photograph"]]])
        last[ladder] = found[name] = min(said[name], above - STEP)
    return found


def package(model: Path, work: Path) -> None:
    """Put a model into the package: for onnxruntime, and for torch in float16, without the paths that it came from."""
    trained = open_model(model)
    config = trained.record.config
    config = replace(config, data=DataConfig(dataset=NAME), optimiser=replace(config.optimiser, init=None))
    record = replace(trained.record, database=NAME, config=config)
    save_model(work / "model.safetensors", trained.network, record)
    run("export --model model.safetensors --output model.onnx --with_map --float16", work)
    PACKAGE.mkdir(exist_ok=True)
    (PACKAGE / "model.onnx").write_bytes((work / "model.onnx").read_bytes())
    save_model(PACKAGE / "model.safetensors", trained.network.half(), record)


def main(argv: Sequence[str] | None = None) -> None:
    """Carry out every step that is left."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--biq2021", type=Path, required=True, help="a clone of nisarahmedrana/BIQ2021")
    parser.add_argument("--work", type=Path, default=Path("bundled"), help="folder of everything in between")
    options = parser.parse_args(argv)
    options.work.mkdir(parents=True, exist_ok=True)
    photographs(options.work, options.biq2021)
    references(options.work)
    teachers(options.work)
    student_labels(options.work)
    run(TRAIN.format(**STUDENT, epochs=4, seed=19920517, name="student"), options.work)
    package(options.work / "student" / "model.safetensors", options.work)


if __name__ == "__main__":
    main()
