"""`linearityiqa datasets split`: a split by reference whose parts are alike in MOS."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from linearityiqa.cli.datasets.written import image_dir_of, where_images
from linearityiqa.cli.parsing import parse
from linearityiqa.config import SplitConfig
from linearityiqa.data.labelfile import names_for, refuse_to_overwrite, write_csv
from linearityiqa.data.sources import open_labels
from linearityiqa.data.stratified import split_by_ratio, split_into_folds

DESCRIPTION = (
    "Split a database at random by reference, so that the parts are alike in MOS, and write it as a CSV file with a "
    "split column: by --train_ratio and --train_and_val_ratio, or into --folds. A split of its own is replaced."
)

Split = Mapping[str, NDArray[np.int64]]


def main(argv: Sequence[str]) -> int:
    """Parse, split, write, print."""
    config = parse(SplitConfig, argv, prog="linearityiqa datasets split", description=DESCRIPTION)
    outputs = output_files(config)
    for output in outputs:
        refuse_to_overwrite(output, config.force)
    source = open_labels(config.data, others=True)
    labels = source.labels
    rng = np.random.default_rng([config.seed, config.data.exp_id])
    references = labels.references or labels.names
    if config.folds is None:
        ratios = config.data.train_ratio, config.data.train_and_val_ratio
        splits: list[Split] = [split_by_ratio(references, labels.mos, *ratios, config.strata, rng)]
    else:
        splits = [*split_into_folds(references, labels.mos, config.folds, config.strata, rng)]
    names = names_for(config.output, source)
    for output, split in zip(outputs, splits, strict=True):
        write_csv(output, labels, names.names, split, force=config.force)
    summaries = [summary(output, split, labels.mos) for output, split in zip(outputs, splits, strict=True)]
    if config.json:
        print(json.dumps({"files": summaries, "image_dir": image_dir_of(names)}))
        return 0
    for each in summaries:
        parts = ", ".join(f"{n} {name} (mean MOS {each['mean_mos'][name]:.4g})" for name, n in each["images"].items())
        print(f"{each['file']}: {parts}")
    print(where_images(names))
    return 0


def output_files(config: SplitConfig) -> list[Path]:
    """The files to be written: one, or one for each fold."""
    path = config.output
    if config.folds is None:
        return [path]
    return [path.with_name(f"{path.stem}_fold{fold}{path.suffix}") for fold in range(1, config.folds + 1)]


def summary(path: Path, split: Split, mos: NDArray[np.float64]) -> dict[str, Any]:
    """Images and mean MOS of each part that has any."""
    filled = {name: rows for name, rows in split.items() if len(rows)}
    return {
        "file": str(path),
        "images": {name: len(rows) for name, rows in filled.items()},
        "mean_mos": {name: float(mos[rows].mean()) for name, rows in filled.items()},
    }
