"""`linearityiqa datasets split`: a split by reference whose parts are alike in MOS."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from linearityiqa.cli.datasets.written import image_dir_of, where_images
from linearityiqa.cli.parsing import parse
from linearityiqa.config import SplitConfig
from linearityiqa.console import track
from linearityiqa.data.checks.images import glances
from linearityiqa.data.checks.scenes import Scenes, find_scenes
from linearityiqa.data.databases.imagefiles import find_images
from linearityiqa.data.databases.labelfile import names_for, refuse_to_overwrite, write_csv
from linearityiqa.data.databases.labels import Labels
from linearityiqa.data.databases.sources import open_label_file, open_labels
from linearityiqa.data.databases.splits import split_by_ratio, split_into_folds, validation_split
from linearityiqa.data.loading.processes import default_workers
from linearityiqa.errors import DataError

DESCRIPTION = (
    "Split a database at random by reference, so that the parts are alike in MOS, and write it as a CSV file with a "
    "split column: by --train_ratio and --train_and_val_ratio, or into --folds. A split of its own is replaced; --val "
    "keeps its test set. --by_scene keeps near-duplicates together."
)

Split = Mapping[str, NDArray[np.int64]]


def main(argv: Sequence[str]) -> int:
    """Parse, split, write, print."""
    config = parse(SplitConfig, argv, prog="linearityiqa datasets split", description=DESCRIPTION)
    outputs = output_files(config)
    for output in outputs:
        refuse_to_overwrite(output, config.force)
    source = open_label_file(Path(config.data.dataset), config.data) or open_labels(config.data, others=True)
    labels = source.labels
    test = _test_set(labels) if config.val is not None else np.arange(0)
    scenes = None
    if config.by_scene:
        root, image_names = find_images(labels, source.folders, source.remedy)
        looks = glances(image_names, root, default_workers(config.num_workers))
        looks = track(looks, "reading images", total=len(image_names), enabled=not config.quiet)
        scenes = find_scenes(looks, labels.references, test, quiet=config.quiet)
        labels = replace(labels, references=scenes.references, splits=None)
    rng = np.random.default_rng([config.seed, config.data.exp_id])
    references = labels.references or labels.names
    if config.val is not None:
        barred = np.zeros(len(references), dtype=bool) if scenes is None else scenes.shared
        splits: list[Split] = [validation_split(references, labels.mos, test, barred, config.val, config.strata, rng)]
    elif config.folds is None:
        ratios = config.data.train_ratio, config.data.train_and_val_ratio
        splits = [split_by_ratio(references, labels.mos, *ratios, config.strata, rng)]
    else:
        splits = [*split_into_folds(references, labels.mos, config.folds, config.strata, rng)]
    names = names_for(config.output, source)
    for output, split in zip(outputs, splits, strict=True):
        write_csv(output, labels, names.names, split, force=config.force)
    summaries = [summary(output, split, labels.mos) for output, split in zip(outputs, splits, strict=True)]
    if config.json:
        found = None if scenes is None else scenes.summary()
        print(json.dumps({"files": summaries, "image_dir": image_dir_of(names), "scenes": found}))
        return 0
    for each in summaries:
        parts = ", ".join(f"{n} {name} (mean MOS {each['mean_mos'][name]:.4g})" for name, n in each["images"].items())
        print(f"{each['file']}: {parts}")
    if scenes is not None:
        print(_text_of(scenes))
    print(where_images(names))
    return 0


def _test_set(labels: Labels) -> NDArray[np.int64]:
    """The rows of the database's own test set.

    Raises:
        DataError: it has none.
    """
    test = np.arange(0) if labels.splits is None else labels.splits["test"]
    if not len(test):
        raise DataError(f"{labels.file} has no test set that --val could keep. Leave --val out, and give ratios.")
    return test


def _text_of(scenes: Scenes) -> str:
    """What was found, for a reader."""
    values = scenes.summary()
    lines = [f"{values['images']} images share {values['groups']} scenes; reference names the scene."]
    if values["test_images"]:
        lines.append(
            f"{values['test_images']} test images show a scene of the other images; those {values['barred']} are for "
            "training, none is for validation."
        )
    if scenes.cut:
        lines.append("There are too many alike images to compare all pairs; the likeliest were compared.")
    return "\n".join(lines)


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
