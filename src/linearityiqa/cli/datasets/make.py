"""`linearityiqa datasets make`: the built-in synthetic database."""

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
    "metrics (no human opinions). Needs no network. A second call finds it and makes nothing."
)


def main(argv: Sequence[str]) -> int:
    """Parse, make, print."""
    return run(parse(SyntheticConfig, argv, prog="linearityiqa datasets make", description=DESCRIPTION))


def run(config: SyntheticConfig) -> int:
    """Make the database, and print where it is and what is in it.

    Raises:
        DataError: the folder holds something else, or scikit-image's photographs are missing.
        MissingExtraError: the extra `demo` is not installed.
    """
    from linearityiqa.data.synthetic import make_database

    path = make_database(config, progress=not config.quiet)
    summary = summarise(path)
    if config.json:
        print(json.dumps({"csv": str(path), **summary}))
        return 0
    print(path)
    splits = ", ".join(f"{n} {split}" for split, n in summary["splits"].items())
    print(
        f"{summary['images']} images of {summary['references']} references ({splits}), {config.width} x "
        f"{config.height} pixels; {summary['pristine']} pristine, {summary['distorted_once']} with one distortion, "
        f"{summary['distorted_twice']} with two. MOS {summary['mos_lowest']:.1f} to {summary['mos_highest']:.1f}, mean "
        f"{summary['mos_mean']:.1f}. The labels are pseudo-labels computed from full-reference metrics: nobody has "
        "rated these images."
    )
    return 0


def summarise(path: Path) -> dict[str, Any]:
    """Counts of images, references, splits and distortions, and the range of MOS, from the CSV file."""
    with path.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    mos = [float(row["mos"]) for row in rows]
    steps = Counter(bool(row["distortion1"]) + bool(row["distortion2"]) for row in rows)
    return {
        "images": len(rows),
        "references": len({row["reference"] for row in rows}),
        "splits": {split: sum(row["split"] == split for row in rows) for split in ("train", "val", "test")},
        "pristine": steps[0],
        "distorted_once": steps[1],
        "distorted_twice": steps[2],
        "mos_lowest": min(mos),
        "mos_highest": max(mos),
        "mos_mean": statistics.fmean(mos),
    }
