"""Public sets of images with people's opinions that no model of this project was trained on, and how to read them.

Each is read from clones of GitHub repositories in one folder, under the names that the repositories have. Roles were
set before any model was judged.
"""

import csv
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.io import loadmat

CHOOSE, REPORT = "to choose", "only to report"
Opinions = Iterator[tuple[Path, float]]
"""Image files with their opinion scores, on any scale; higher is better."""


@dataclass(frozen=True)
class OpinionSet:
    """A set of images with opinion scores.

    Attributes:
        name: short name.
        content: what the images are.
        repositories: on GitHub; the first names the set's folder.
        terms: terms of use, as far as the repositories state them.
        used: whether models may be chosen by it, or it is only reported.
        opinions: reads the set from the folder that holds the clones.
    """

    name: str
    content: str
    repositories: tuple[str, ...]
    terms: str
    used: str
    opinions: Callable[[Path], Opinions]

    def read(self, data: Path) -> tuple[list[Path], NDArray[np.float64]]:
        """The image files that are there, and their scores; none where a repository is missing."""
        if not all((data / repository.partition("/")[2]).is_dir() for repository in self.repositories):
            return [], np.array([])
        rows = [(path, score) for path, score in self.opinions(data) if path.exists()]
        return [path for path, _ in rows], np.array([score for _, score in rows])


def compressed(data: Path) -> Opinions:
    """Laboratory test of HEVC-compressed pictures shown at one size."""
    folder = data / "image_quality_test" / "test_1"
    for row in _rows(folder / "mos_ci.csv"):
        yield folder / "images" / f"{row['image_name']}.png", float(row["mos"])


def generative(data: Path) -> Opinions:
    """Photographs compressed, enlarged and repaired by generative networks: Bradley-Terry scores of paired votes."""
    folder = data / "gan-image-database"
    counts: dict[tuple[str, str], float] = {}
    for row in _rows(folder / "results" / "jdg.csv"):
        first, second = (_generated(row[f"Image_{x}"], row[f"Model_{x}"], row[f"Quality_{x}"]) for x in "AB")
        votes = [float(vote) for column, vote in row.items() if column.isdigit() and vote]
        counts[second, first] = counts.get((second, first), 0) + sum(votes)  # a vote of 1 is for the second
        counts[first, second] = counts.get((first, second), 0) + len(votes) - sum(votes)
    for name, score in bradley_terry(counts).items():
        yield folder / "images" / name, score


def _generated(image: str, method: str, quality: str) -> str:
    folder = {"original": "Original", "HiFiC": f"HiFiC/{quality.title()}"}.get(method, method)
    return f"{folder}/{'_'.join(word for word in (f'{int(image):05d}', method, quality) if word)}.png"


def bradley_terry(wins: dict[tuple[str, str], float], rounds: int = 500, prior: float = 0.5) -> dict[str, float]:
    """Log strengths of the Bradley-Terry model (Hunter, Annals of Statistics 32, 2004).

    Args:
        wins: how often the first of two was preferred to the second.
        rounds: of the iteration.
        prior: votes added to either side of each pair, so that what always wins has a strength, too.

    >>> strengths = bradley_terry({("a", "b"): 9, ("b", "a"): 1, ("b", "c"): 8, ("c", "b"): 2}, prior=0)
    >>> sorted(strengths, key=strengths.get)
    ['c', 'b', 'a']
    """
    names = sorted({name for pair in wins for name in pair})
    place = {name: row for row, name in enumerate(names)}
    table = np.zeros((len(names), len(names)))
    for (winner, loser), count in wins.items():
        table[place[winner], place[loser]] += count
    table += prior * (table + table.T > 0)
    total, strength = table + table.T, np.ones(len(names))
    for _ in range(rounds):
        strength = table.sum(axis=1) / (total / (strength[:, None] + strength)).sum(axis=1)
        strength /= np.exp(np.log(strength).mean())
    return dict(zip(names, np.log(strength).tolist(), strict=True))


def pansharpened(data: Path) -> Opinions:
    """Satellite pictures in true colour, sharpened by six methods, with blur and noise; DMOS."""
    labels = loadmat(data / "Pansharpening-IQA" / "score" / "SS.mat", squeeze_me=True)
    folder = data / "TIQA_PSI" / "Database" / "SS"
    for name, dmos in zip(labels["names"], labels["dmos"], strict=True):
        if str(name).startswith("TC_"):  # the others are in false colours
            yield folder / str(name), -float(dmos)


def recoloured(data: Path) -> Opinions:
    """Photographs of 20 scenes with 65 colourings each, rated for their naturalness."""
    folder = data / "HECD"
    for row in _rows(folder / "Data" / "mean_zscores.csv"):
        yield folder / "HECDImages" / row["Recolour File"], float(row["Mean zScore"])


def synthesised(data: Path) -> Opinions:
    """Views of three scenes computed from other views (IRCCyN/IVC DIBR images)."""
    folder = data / "QoA-of-synthesized-view"
    for name, mos in loadmat(folder / "MOS.mat", squeeze_me=True)["IRCCyNIVCDIBRImagesDatabaseACRScore"]:
        yield folder / "data" / "Synthesized" / str(name), float(mos)


def computer_made(data: Path) -> Opinions:
    """Pictures that five generators made from texts, and photographs of the same."""
    folder = data / "avt_ai_images"
    for row in _rows(folder / "evaluation_quality_appeal" / "quality.csv"):
        yield folder / "images" / f"{row['image_key']}.png", float(row["rating"])


def _rows(path: Path) -> Iterator[dict[str, str]]:
    with path.open(newline="", encoding="utf-8-sig") as stream:
        yield from csv.DictReader(stream)


AVT = "Telecommunication-Telemedia-Assessment"
OPINION_SETS = (
    OpinionSet(
        "HEVC at one size",
        "frames of 144 to 2,160 lines, HEVC-compressed, shown at one size",
        (f"{AVT}/image_quality_test",),
        "GPL 3",
        CHOOSE,
        compressed,
    ),
    OpinionSet(
        "generative restoration",
        "photographs compressed, enlarged or repaired by generative networks; votes on pairs",
        ("martafilipa/gan-image-database",),
        "none stated",
        CHOOSE,
        generative,
    ),
    OpinionSet(
        "satellite pictures",
        "pan-sharpened, with blur and noise; true colour only",
        ("Igorles/TIQA_PSI", "oscaragudelom/Pansharpening-IQA"),
        "MIT (TIQA_PSI), none stated (scores); pictures by DigitalGlobe",
        CHOOSE,
        pansharpened,
    ),
    OpinionSet(
        "recoloured photographs",
        "wrong colours, rated for naturalness",
        ("seanmullery/HECD",),
        "asks to be cited; none stated",
        REPORT,
        recoloured,
    ),
    OpinionSet(
        "synthesised views",
        "views computed from other views (IRCCyN/IVC DIBR)",
        ("Louis19/QoA-of-synthesized-view",),
        "none stated",
        REPORT,
        synthesised,
    ),
    OpinionSet(
        "computer-made pictures",
        "made from texts by five generators",
        (f"{AVT}/avt_ai_images",),
        "GPL 3",
        REPORT,
        computer_made,
    ),
)
