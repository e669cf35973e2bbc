"""Agreement elsewhere: what model files are worth on images that they were not trained on.

    python benchmarks/elsewhere.py bundled=src/linearityiqa/bundled/model.onnx run/model.safetensors --data data

Judges each model on BIQ2021's validation part, on public sets of opinion scores (`opinion_sets.py`), by the order of
versions of 24 validation photographs and by changes that should not matter. --data is a folder of clones:

    git clone https://github.com/nisarahmedrana/BIQ2021       # and the repositories that are named as missing
    linearityiqa datasets split --dataset "BIQ2021/Train (Images and MOS).csv" --val 0.085 --by_scene --output split.csv

Models are chosen by the last row but one: the mean of SROCC on the validation part, mean SROCC of the sets that are
used to choose, and mean share of the pairs of versions in order. With --fold ss01 only that subset of BIQ2021 is
judged, for models that were trained on the other two. Intervals are 95 % (bootstrap over images or photographs).
Scores and rendered versions are kept in --work, so that a further model costs only its own time.
"""

import argparse
import json
import sys
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from opinion_sets import CHOOSE, OPINION_SETS, REPORT
from peers import CHANGES, changed, changes_of
from PIL import Image
from versions import DEGRADATIONS, pairs_in_order, scores_by_level, versions

from linearityiqa.metrics import CONFIDENCE, RESAMPLES
from linearityiqa.metrics.agreement import Sample, replicate_samples
from linearityiqa.metrics.resampling import FloatArray, Images, Replicates, replicate
from linearityiqa.reporting import Table
from pictures import Photographs, Picture, ScoreFile, score_pictures

BEST, DRAWN, REPORTED = 24, 40, 300
"""Photographs of which versions are made; that are mirrored, turned and enlarged; images of a set only reported."""
ENOUGH_PIXELS = 250_000
HARMLESS = [change for change in CHANGES if change != "half the size"]
"""Half the size is not among them: detail that is lost may count."""
VALIDATION, SETS, ORDER, CHANGE = "BIQ2021, SROCC", "elsewhere, SROCC", "pairs of versions in order", "mean change"


@dataclass(frozen=True)
class Part:
    """A figure that every model gets.

    Attributes:
        group: the kind of figure.
        name: what it is measured on.
        used: to choose, or only to report.
        images: how many images or photographs.
        judge: gives the figure on all images and on resamples, from the scores of a model.
    """

    group: str
    name: str
    used: str
    images: int
    judge: Callable[[ScoreFile], Replicates]


class Mean:
    """The mean of one value per image, as a statistic of resamples."""

    names = ("mean",)

    def __init__(self, values: FloatArray) -> None:
        self.values = values

    def resampled(self, images: Images) -> FloatArray:
        """The mean on each resample, shape (1, resamples)."""
        return self.values[images].mean(axis=1)[None]

    def jackknife(self) -> FloatArray:
        """The mean without each image, shape (1, N)."""
        return ((self.values.sum() - self.values) / (len(self.values) - 1))[None]


def mean(values: FloatArray, seed: int) -> Replicates:
    """The mean over images, on all and on resamples."""
    return replicate([([Mean(values)], {"mean": float(values.mean())})], len(values), RESAMPLES, seed)[0]["mean"]


def srocc(predicted: FloatArray, mos: FloatArray, seed: int) -> Replicates:
    """SROCC on all images and on resamples."""
    return replicate_samples([Sample.of(predicted, mos, None)], RESAMPLES, seed)[0]["SROCC"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", metavar="[NAME=]FILE", help="model files")
    parser.add_argument("--data", type=Path, required=True, help="folder of the clones, and of split.csv")
    parser.add_argument("--labels", type=Path, help="labels of BIQ2021 with a split column; default DATA/split.csv")
    parser.add_argument("--work", type=Path, default=Path("elsewhere"), help="folder of scores and rendered versions")
    parser.add_argument("--output", type=Path, help="JSON file of all figures")
    parser.add_argument("--limit", type=int, help="at most so many images of each part, 10 or more: a quick trial")
    parser.add_argument("--fold", metavar="SUBSET", help="judge on this subset of BIQ2021 alone, training images too")
    parser.add_argument("--official_test", action="store_true", help="BIQ2021's official test set as well: at the end")
    options = parser.parse_args()
    parts, pictures = fold(options) if options.fold else everything(options)
    found = {}
    for word in options.models:
        name, _, file = word.rpartition("=")
        scores = score_pictures(Path(file), pictures, options.work)
        found[name or file] = [part.judge(scores) for part in parts]
    print(table(parts, found).to_markdown())
    if options.output is not None:
        options.output.write_text(json.dumps(as_json(parts, found), indent=1) + "\n")


def everything(options: argparse.Namespace) -> tuple[list[Part], list[Picture]]:
    """All parts of which the data are there, and their pictures; says what is missing."""
    photographs = biq2021(options, "val")
    best, drawn = photographs.best(min(BEST, options.limit or BEST)), large(photographs, options.limit or DRAWN)
    parts = agreement_parts(photographs, "validation", CHOOSE)
    pictures = [
        *photographs.pictures(),
        *versions(photographs, best, options.work / "versions"),
        *changed(photographs, drawn, HARMLESS),
    ]
    if options.official_test:
        test = biq2021(options, "test")
        parts += agreement_parts(test, "official test", REPORT)
        pictures += test.pictures()
    for each in OPINION_SETS:
        paths, opinions = each.read(options.data)
        if not paths:
            print(
                f"left out: {each.name}: clone {' and '.join(each.repositories)} into {options.data}", file=sys.stderr
            )
            continue
        rows = chosen(len(paths), options.limit or (REPORTED if each.used == REPORT else None))
        keys = [paths[row].relative_to(options.data).as_posix() for row in rows]
        parts.append(srocc_part(SETS, each.name, each.used, keys, opinions[rows]))
        pictures += [Picture(key, paths[row].read_bytes) for key, row in zip(keys, rows, strict=True)]
    for kind in DEGRADATIONS:
        parts.append(Part(ORDER, kind, CHOOSE, len(best), lambda scores, kind=kind: order(scores, best, kind)))
    for change in HARMLESS:
        parts.append(
            Part(
                CHANGE,
                change,
                REPORT,
                len(drawn),
                lambda scores, change=change: moved(scores, drawn, photographs, change),
            )
        )
    return parts, pictures


def fold(options: argparse.Namespace) -> tuple[list[Part], list[Picture]]:
    """One subset of BIQ2021: all its images but those of the official test set."""
    splits = ("train", "val", "test") if options.official_test else ("train", "val")
    groups = [biq2021(options, split, options.fold) for split in splits]
    names = [name for group in groups for name in group.names]
    mos = np.concatenate([group.mos for group in groups])
    pictures = [picture for group in groups for picture in group.pictures()]
    return [srocc_part(VALIDATION, f"all of {options.fold}", CHOOSE, names, mos)], pictures


def biq2021(options: argparse.Namespace, split: str, subset: str = "") -> Photographs:
    """Photographs of a split whose names begin with the subset's."""
    labels = options.labels or options.data / "split.csv"
    for needed in (labels, options.data / "BIQ2021"):
        if not needed.exists():
            raise SystemExit(f"{needed} is missing: the head of {__file__} says how to make it.")
    every = Photographs.of(labels, options.data / "BIQ2021" / "Images", split, 1)
    rows = [row for row, name in enumerate(every.names) if name.startswith(subset)]
    rows = [rows[row] for row in chosen(len(rows), options.limit)]
    names, paths = (tuple(values[row] for row in rows) for values in (every.names, every.paths))
    return Photographs(names, paths, every.mos[rows])


def chosen(count: int, limit: int | None) -> NDArray[np.int64]:
    """All rows, or a random choice, the same each time."""
    return np.sort(np.random.default_rng(0).permutation(count)[:limit])


def large(photographs: Photographs, count: int) -> list[str]:
    """Names of a random choice of photographs of at least 0.25 megapixels."""
    found = []
    for name in photographs.drawn(len(photographs.names)):
        with Image.open(photographs.paths[photographs.names.index(name)]) as image:
            if image.width * image.height >= ENOUGH_PIXELS:
                found.append(name)
    return [found[row] for row in chosen(len(found), count)]


def agreement_parts(photographs: Photographs, name: str, used: str) -> list[Part]:
    """SROCC on all photographs, and within each subset."""
    subsets = sorted({each.split(" ")[0] for each in photographs.names})
    found = [srocc_part(VALIDATION, name, used, list(photographs.names), photographs.mos)]
    for subset in subsets:
        rows = [row for row, each in enumerate(photographs.names) if each.split(" ")[0] == subset]
        if len(rows) >= 10:
            names = [photographs.names[row] for row in rows]
            found.append(srocc_part(VALIDATION, f"{name}, within {subset}", REPORT, names, photographs.mos[rows]))
    return found


def srocc_part(group: str, name: str, used: str, keys: list[str], mos: FloatArray) -> Part:
    """SROCC of the scores under these keys."""
    return Part(group, name, used, len(keys), lambda scores: srocc(scores.scores(keys), mos, seed_of(name)))


def order(scores: ScoreFile, names: list[str], kind: str) -> Replicates:
    """Share of the pairs of versions in order; all kinds on the same resamples of photographs."""
    return mean(pairs_in_order(scores_by_level(scores, names, kind)).mean(axis=1), seed_of(ORDER))


def moved(scores: ScoreFile, names: list[str], photographs: Photographs, change: str) -> Replicates:
    """Mean absolute change, as a share of the range of the scores of all photographs."""
    return mean(changes_of(scores, names, photographs.names, change), seed_of(CHANGE))


def seed_of(name: str) -> int:
    """Seed of the resamples: the same for every model, another for every set."""
    return zlib.crc32(name.encode())


def choosing(parts: list[Part], figures: list[Replicates]) -> Replicates:
    """The mean of the means of the groups, of what is used to choose."""
    means = []
    for group in {part.group for part in parts if part.used == CHOOSE}:
        own = [
            figure for part, figure in zip(parts, figures, strict=True) if (part.group, part.used) == (group, CHOOSE)
        ]
        means.append((np.mean([one.estimate for one in own]), np.mean([one.resampled for one in own], axis=0)))
    estimate, resampled = (np.mean([each[place] for each in means], axis=0) for place in (0, 1))
    return Replicates(float(estimate), resampled, np.zeros(0))


def bounds(figure: Replicates) -> tuple[float, float]:
    """The interval: bias-corrected and accelerated, percentiles of what is a mean of figures."""
    if len(figure.jackknife) == 0:
        low, high = np.quantile(figure.resampled, ((1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2))
        return float(low), float(high)
    interval = figure.interval(CONFIDENCE)
    return (np.nan, np.nan) if interval is None else (interval.low, interval.high)


def table(parts: list[Part], found: dict[str, list[Replicates]]) -> Table:
    """Every figure with its interval, a column for each model."""
    rows = []
    for row, part in enumerate(parts):
        cells = [written(figures[row], part.group in (ORDER, CHANGE)) for figures in found.values()]
        rows.append([f"{part.group}: {part.name}", part.used, part.images, *cells])
    means = [choosing(parts, figures) for figures in found.values()]
    rows.append(["mean of what is used to choose", "", "", *map(written, means)])
    rows.append(["minus the first model", "", "", "", *(written(each - means[0]) for each in means[1:])])
    return Table("Agreement elsewhere", ["figure", "used", "images", *found], rows)


def written(figure: Replicates, percent: bool = False) -> str:
    """A figure with its interval."""
    low, high = bounds(figure)
    if percent:
        return f"{100 * figure.estimate:.1f} % ({100 * low:.1f} to {100 * high:.1f})"
    return f"{figure.estimate:.3f} ({low:.3f} to {high:.3f})"


def as_json(parts: list[Part], found: dict[str, list[Replicates]]) -> dict[str, Any]:
    """Every figure as [value, low, high]."""

    def rounded(figure: Replicates) -> list[float]:
        return [round(value, 5) for value in (figure.estimate, *bounds(figure))]

    sets = {
        each.name: {"repositories": each.repositories, "terms": each.terms, "used": each.used} for each in OPINION_SETS
    }
    models = {
        name: {
            "figures": [
                {
                    "group": part.group,
                    "name": part.name,
                    "used": part.used,
                    "images": part.images,
                    "value": rounded(figure),
                }
                for part, figure in zip(parts, figures, strict=True)
            ],
            "mean of what is used to choose": rounded(choosing(parts, figures)),
        }
        for name, figures in found.items()
    }
    return {"sets": sets, "models": models}


if __name__ == "__main__":
    main()
