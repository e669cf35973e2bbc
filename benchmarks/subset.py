"""Fewer images of a CSV database whose MOS lie in 0..1, with MOS on 0..100: docs/replication.md.

    python benchmarks/subset.py split.csv BIQ2021-2000.csv --train_images 2000    # and all to validate and to test
    python benchmarks/subset.py split.csv BIQ2021-1162.csv --images 1162    # of all, without a split

Images are drawn at random, always the same.
"""

import argparse
import csv
from pathlib import Path

import numpy as np


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("labels", type=Path, help="CSV with image_name, mos in 0..1, split, reference")
    parser.add_argument("output", type=Path)
    how = parser.add_mutually_exclusive_group(required=True)
    how.add_argument("--train_images", type=int)
    how.add_argument("--images", type=int)
    options = parser.parse_args()
    with options.labels.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    columns = ["image_name", "mos", "split", "reference"]
    if options.train_images is not None:
        training = [row for row in rows if row["split"] == "train"]
        rows = draw(training, options.train_images) + [row for row in rows if row["split"] != "train"]
    else:
        rows = draw(rows, options.images)
        columns.remove("split")
    with options.output.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, columns, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(row | {"mos": f"{100 * float(row['mos']):.4f}"} for row in rows)


def draw(rows: list[dict[str, str]], count: int) -> list[dict[str, str]]:
    chosen = np.random.default_rng(0).choice(len(rows), count, replace=False)
    return [rows[number] for number in sorted(chosen)]


if __name__ == "__main__":
    main()
