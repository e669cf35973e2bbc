"""Methods beside each other on the same images: agreement with people, order of versions, change by harmless changes.

    python benchmarks/peers.py --labels biq2021.csv --images BIQ2021/Images --factor 100 \\
        --models bundled=model.onnx --brisque brisque/bin/python --work peers --output peers.json

Prints tables and writes everything as JSON; scores are kept in --work, so that a later call resumes from them.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from versions import order_by_degradation, versions

from linearityiqa.mapping import LinearMapping
from linearityiqa.metrics import RESAMPLES, agreement
from linearityiqa.reporting import Table
from pictures import Photographs, Picture, Row, ScoreFile, score_pictures

CHANGES = {
    "mirrored": lambda image: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    "quarter turn": lambda image: image.transpose(Image.Transpose.ROTATE_90),
    "half the size": lambda image: _scaled(image, 0.5),
    "twice the size": lambda image: _scaled(image, 2),
    "four times the size": lambda image: _scaled(image, 4),
}
"""What should leave a score as it is."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--labels", type=Path, required=True, help="CSV with image_name, mos and split")
    parser.add_argument("--images", type=Path, required=True, help="folder of the photographs")
    parser.add_argument("--split", default="test")
    parser.add_argument("--factor", type=float, default=1.0, help="from the MOS to the scale of the models")
    parser.add_argument("--models", nargs="*", default=[], metavar="NAME=FILE", help="model files")
    parser.add_argument("--brisque", type=Path, help="Python of an environment with the package brisque")
    parser.add_argument("--best", type=int, default=30, help="best-rated photographs of which versions are made")
    parser.add_argument("--drawn", type=int, default=100, help="photographs that are mirrored, turned and scaled")
    parser.add_argument("--work", type=Path, default=Path("peers"), help="folder of the scores")
    parser.add_argument("--output", type=Path, default=Path("peers.json"))
    options = parser.parse_args()
    photographs = Photographs.of(options.labels, options.images, options.split, options.factor)
    best, drawn = photographs.best(options.best), photographs.drawn(options.drawn)
    pictures = [*photographs.pictures(), *versions(photographs, best), *changed(photographs, drawn)]
    methods: dict[str, tuple[ScoreFile, int]] = {}
    for word in options.models:
        name, _, file = word.partition("=")
        methods[name] = score_pictures(Path(file), pictures, options.work), 1
    if options.brisque is not None:
        methods["BRISQUE"] = brisque(options.brisque, pictures, options.work), -1
    found = {
        name: {
            "agreement": by_subset(photographs, scores, sign),
            "order": order_by_degradation(scores, best, sign),
            "change": mean_changes(scores, drawn, photographs.names),
        }
        for name, (scores, sign) in methods.items()
    }
    options.output.write_text(json.dumps(found, indent=1) + "\n")
    for table in tables(found):
        print(table.to_markdown())


def changed(photographs: Photographs, names: Sequence[str], changes: Iterable[str] = CHANGES) -> list[Picture]:
    """Photographs as they are decoded, and changed in ways that should not change their scores."""
    found = []
    for name in names:
        found.append(Picture.made(f"{name}|decoded", partial(photographs.decoded, name)))
        for change in changes:
            found.append(Picture.made(f"{name}|{change}", partial(_changed, photographs, name, change)))
    return found


def _changed(photographs: Photographs, name: str, change: str) -> Image.Image:
    return CHANGES[change](photographs.decoded(name))


def _scaled(image: Image.Image, factor: float) -> Image.Image:
    size = round(image.width * factor), round(image.height * factor)
    return image.resize(size, Image.Resampling.LANCZOS)


def by_subset(photographs: Photographs, scores: ScoreFile, sign: int) -> dict[str, Any]:
    """Figures with 95 % intervals over resampled photographs: of all, and of each part that names begin with."""
    predicted = sign * scores.scores(photographs.names)
    parts = np.array([name.split(" ")[0] for name in photographs.names])
    masks = {"all": np.ones(len(parts), dtype=bool), **{part: parts == part for part in sorted(set(parts))}}
    return {name: figures(predicted[mask], photographs.mos[mask]) for name, mask in masks.items() if mask.sum() > 9}


def figures(predicted: NDArray[np.float64], mos: NDArray[np.float64]) -> dict[str, Any]:
    """SROCC and PLCC with intervals, and RMSE, of the predictions that there are."""
    there = np.isfinite(predicted)
    predicted, mos = predicted[there], mos[there]
    result = agreement(predicted, mos, resamples=RESAMPLES)
    found: dict[str, Any] = {"images": len(mos), "failed": int((~there).sum())}
    for name in ("SROCC", "PLCC"):
        interval = result.intervals[name]
        bounds = (np.nan, np.nan) if interval is None else (interval.low, interval.high)
        found[name] = [round(float(value), 4) for value in (getattr(result, name.lower()), *bounds)]
    found["RMSE"] = round(result.rmse, 3)
    line = LinearMapping.fit(predicted, mos)
    found["RMSE after a fitted line"] = round(float(np.sqrt(np.mean((line(predicted) - mos) ** 2))), 3)
    return found


def changes_of(scores: ScoreFile, names: Sequence[str], all_names: Sequence[str], change: str) -> NDArray[np.float64]:
    """Absolute change of the score of each photograph, as a share of the range of the scores of all photographs."""
    everyone = scores.scores(all_names)
    own, changed = (scores.scores([f"{name}|{each}" for name in names]) for each in ("decoded", change))
    return np.abs(changed - own) / np.ptp(everyone[np.isfinite(everyone)])


def mean_changes(scores: ScoreFile, names: Sequence[str], all_names: Sequence[str]) -> dict[str, float]:
    """Mean absolute change of the score by each of the changes that should not matter."""
    return {each: round(float(np.nanmean(changes_of(scores, names, all_names, each))), 5) for each in CHANGES}


def brisque(python: Path, pictures: Sequence[Picture], folder: Path) -> ScoreFile:
    """BRISQUE of the pictures, by a process of the other environment."""
    scores = ScoreFile(folder / "brisque.csv")
    missing = scores.missing(pictures)
    if not missing:
        return scores
    script = Path(__file__).with_name("brisque_scores.py")
    with (
        tempfile.TemporaryDirectory() as place,
        subprocess.Popen([python, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process,
        scores.appending() as write,
    ):
        assert process.stdin is not None
        assert process.stdout is not None
        for picture in missing:
            path = Path(place, "picture")
            path.write_bytes(picture.read())
            print(path, file=process.stdin, flush=True)
            answer = process.stdout.readline().strip()
            failed = not answer or answer.startswith("failed")
            write(Row(picture.key, None if failed else float(answer), None, answer if failed else ""))
        process.stdin.close()
    return scores


def tables(found: dict[str, Any]) -> list[Table]:
    """Everything, for people."""
    subsets = list(next(iter(found.values()))["agreement"])
    agreement = [
        [
            name,
            *(_with_interval(one["agreement"][subset]["SROCC"]) for subset in subsets),
            one["agreement"]["all"]["PLCC"][0],
        ]
        for name, one in found.items()
    ]
    degradations = list(next(iter(found.values()))["order"])
    orders = [[name, *(f"{one['order'][d]['in_order']:.1%}" for d in degradations)] for name, one in found.items()]
    moved = [[name, *(f"{one['change'][c]:.2%}" for c in CHANGES)] for name, one in found.items()]
    return [
        Table("Agreement with people (SROCC)", ["method", *subsets, "PLCC, all"], agreement),
        Table("Pairs of versions in order", ["method", *degradations], orders),
        Table("Mean change, of the range of scores", ["method", *CHANGES], moved),
    ]


def _with_interval(figure: Sequence[float]) -> str:
    value, low, high = figure
    return f"{value:.3f} ({low:.3f} to {high:.3f})"


if __name__ == "__main__":
    sys.exit(main())
