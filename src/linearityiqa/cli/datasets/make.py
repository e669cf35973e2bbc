"""`linearityiqa datasets make`: the built-in synthetic database, or graded versions of photographs of one's own."""

import csv
import json
import statistics
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from linearityiqa.cli.parsing import parse
from linearityiqa.config import SyntheticConfig

DESCRIPTION = (
    "Make the built-in database: photographs and procedural scenes, distorted, with pseudo-labels from full-reference "
    "metrics (no human opinions). With --references, graded versions of your own photographs, whose order is known. "
    "Needs no network. A second call finds it and makes nothing."
)


def main(argv: Sequence[str]) -> int:
    """Parse, make, print."""
    return run(parse(SyntheticConfig, argv, prog="linearityiqa datasets make", description=DESCRIPTION))


def run(config: SyntheticConfig) -> int:
    """Make the database, and print where it is and what is in it.

    Raises:
        DataError: the folder holds something else, scikit-image's photographs are missing, or no photograph of one's
            own can be used.
        MissingExtraError: the extra `demo` is not installed.
    """
    from linearityiqa.data.synthetic import make_database, make_graded_database

    graded = config.graded.references is not None
    path = (make_graded_database if graded else make_database)(config, progress=not config.quiet)
    summary = summarise_graded(path) if graded else summarise(path)
    if config.json:
        print(json.dumps({"csv": str(path), **summary}))
        return 0
    print(path)
    splits = ", ".join(f"{n} {split}" for split, n in summary["splits"].items())
    mos = f"MOS {summary['mos_lowest']:.1f} to {summary['mos_highest']:.1f}, mean {summary['mos_mean']:.1f}"
    size = f"{config.width} x {config.height} pixels"
    if graded:
        print(
            f"{summary['images']} images ({splits}), {size}, of {summary['photographs']} photographs of "
            f"{summary['references']} scenes, in {config.graded.levels} levels of {', '.join(summary['distortions'])}. "
            f"{mos}: pseudo-labels computed from full-reference metrics, nobody has rated these images."
        )
        return 0
    print(
        f"{summary['images']} images of {summary['references']} references ({splits}), {size}; "
        f"{summary['pristine']} pristine, {summary['distorted_once']} with one distortion, "
        f"{summary['distorted_twice']} with two. {mos}. The labels are pseudo-labels computed from "
        "full-reference metrics: nobody has rated these images."
    )
    return 0


def summarise(path: Path) -> dict[str, Any]:
    """Counts of images, references, splits and distortions, and the range of MOS, from the CSV file."""
    rows = _rows(path)
    steps = Counter(bool(row["distortion1"]) + bool(row["distortion2"]) for row in rows)
    return {
        **_counts(rows),
        "pristine": steps[0],
        "distorted_once": steps[1],
        "distorted_twice": steps[2],
        **_spread(rows),
    }


def summarise_graded(path: Path) -> dict[str, Any]:
    """The same of graded versions of photographs, with the images of each distortion."""
    rows = _rows(path)
    return {
        **_counts(rows),
        "photographs": len({row["photograph"] for row in rows}),
        "distortions": dict(sorted(Counter(row["distortion"] for row in rows if row["distortion"]).items())),
        **_spread(rows),
    }


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def _counts(rows: list[dict[str, str]]) -> dict[str, Any]:
    return {
        "images": len(rows),
        "references": len({row["reference"] for row in rows}),
        "splits": {split: sum(row["split"] == split for row in rows) for split in ("train", "val", "test")},
    }


def _spread(rows: list[dict[str, str]]) -> dict[str, float]:
    mos = [float(row["mos"]) for row in rows]
    return {"mos_lowest": min(mos), "mos_highest": max(mos), "mos_mean": statistics.fmean(mos)}
