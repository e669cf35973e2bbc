"""`linearityiqa datasets make`, `split` and `convert`: commands that write a label file."""

import csv
import json
import logging
import statistics
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from linearityiqa.cli.datasets import contents
from linearityiqa.config import ConvertConfig, SplitConfig, SyntheticConfig
from linearityiqa.console import say, track
from linearityiqa.data.checks.duplicates import Scenes, find_scenes
from linearityiqa.data.checks.images import inspect_images
from linearityiqa.data.databases.csvfile import refuse_to_overwrite, write_csv
from linearityiqa.data.databases.imagefiles import find_images
from linearityiqa.data.databases.infomat import write_info_mat
from linearityiqa.data.databases.labels import Labels
from linearityiqa.data.databases.opening import ImageNames, LabelSource, names_for, open_label_file, open_labels
from linearityiqa.data.databases.published import KNOWN
from linearityiqa.data.databases.splits import split_by_ratio, split_into_folds, validation_split
from linearityiqa.errors import ConfigError, DataError
from linearityiqa.machine import default_workers

Split = Mapping[str, NDArray[np.int64]]

logger = logging.getLogger(__name__)


def make(config: SyntheticConfig) -> int:
    """Make the synthetic database and print a summary of it."""
    from linearityiqa.data.synthetic.make import make_database

    if config.graded.references is not None:
        raise ConfigError(
            "--references: graded versions of photographs are not made any more; train --versions makes its own"
        )
    for option, value in vars(config.graded).items():
        if value not in (None, False):
            logger.warning("--%s does nothing any more, and the next version will not take it", option)
    path = make_database(config, progress=not config.quiet)
    summary = made_summary(path)
    if config.json:
        say(json.dumps({"csv": str(path), **summary}))
        return 0
    say(path)
    say(
        f"{contents(summary['images'], summary['references'], summary['splits'])}, {config.width} x {config.height} "
        f"pixels; {summary['pristine']} pristine, {summary['distorted_once']} with one distortion, "
        f"{summary['distorted_twice']} with two. MOS {summary['mos_lowest']:.1f} to {summary['mos_highest']:.1f}, mean "
        f"{summary['mos_mean']:.1f}. The labels are pseudo-labels computed from full-reference metrics: no person has "
        "rated these images."
    )
    return 0


def made_summary(path: Path) -> dict[str, Any]:
    """Return numbers of images and references and the range of MOS, read from the CSV file that was made."""
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


def split(config: SplitConfig) -> int:
    """Split a database by reference, write the splits as CSV, and print their sizes."""
    stem, ending = config.output.stem, config.output.suffix
    folds = range(1, (config.folds or 0) + 1)
    outputs = [config.output.with_name(f"{stem}_fold{fold}{ending}") for fold in folds] or [config.output]
    for output in outputs:
        refuse_to_overwrite(output, config.force)
    source = open_label_file(Path(config.data.dataset), config.data) or open_labels(config.data, others=True)
    labels = source.labels
    test = _test_set(labels) if config.val is not None else np.arange(0)
    scenes = None
    if config.by_scene:
        root, image_names = find_images(labels, source.folders, source.remedy)
        checks = inspect_images(image_names, root, default_workers(config.num_workers))
        checks = track(checks, "reading images", total=len(image_names), enabled=not config.quiet)
        scenes = find_scenes(checks, labels.references, test, quiet=config.quiet)
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
    for output, parts in zip(outputs, splits, strict=True):
        write_csv(output, labels, names.names, parts, force=config.force)
    summaries = [split_summary(output, parts, labels.mos) for output, parts in zip(outputs, splits, strict=True)]
    if config.json:
        values = None if scenes is None else scenes.summary()
        say(json.dumps({"files": summaries, "image_dir": image_dir_of(names), "scenes": values}))
        return 0
    for each in summaries:
        found = ", ".join(f"{n} {name} (mean MOS {each['mean_mos'][name]:.4g})" for name, n in each["images"].items())
        say(f"{each['file']}: {found}")
    if scenes is not None:
        say(*_scenes_lines(scenes))
    say(where_images(names))
    return 0


def _test_set(labels: Labels) -> NDArray[np.int64]:
    """Return the rows of the database's own test set."""
    test = np.arange(0) if labels.splits is None else labels.splits["test"]
    if not len(test):
        raise DataError(f"{labels.file} has no test set that --val could keep. Leave --val out, and give ratios.")
    return test


def _scenes_lines(scenes: Scenes) -> list[str]:
    """Return the scenes that were found as text."""
    values = scenes.summary()
    lines = [f"{values['images']} images share {values['groups']} scenes; reference names the scene."]
    if values["test_images"]:
        lines.append(
            f"{values['test_images']} test images show a scene of the other images; those {values['barred']} are for "
            "training, none is for validation."
        )
    if scenes.cut:
        lines.append("There are too many similar images to compare all pairs; the likeliest were compared.")
    return lines


def split_summary(path: Path, split: Split, mos: NDArray[np.float64]) -> dict[str, Any]:
    """Return the number of images and the mean MOS of each part that is not empty."""
    filled = {name: rows for name, rows in split.items() if len(rows)}
    return {
        "file": str(path),
        "images": {name: len(rows) for name, rows in filled.items()},
        "mean_mos": {name: float(mos[rows].mean()) for name, rows in filled.items()},
    }


def convert(config: ConvertConfig) -> int:
    """Write the labels of a database in another format, and print what was written."""
    refuse_to_overwrite(config.output, config.force)
    source = open_label_file(Path(config.data.dataset), config.data) or open_labels(config.data, others=True)
    names = names_for(config.output, source)
    summary = conversion_summary(source, config.output)
    if config.output.suffix.lower() == ".mat":
        # read by this name, the deviations will be multiplied again
        factor = next((known.opinion_factor for known in KNOWN.values() if known.info_file == config.output.name), 1.0)
        ratios = write_info_mat(
            config.output, source.labels, names.names, splits=config.splits, seed=config.seed, opinion_factor=factor
        )
        use = f"Split 0 is cut with --train_ratio {ratios[0]:.8f} --train_and_val_ratio {ratios[1]:.8f}."
    else:
        write_csv(config.output, source.labels, names.names, source.labels.splits, force=config.force)
        use = where_images(names)
    if config.json:
        say(json.dumps({**summary, "image_dir": image_dir_of(names)}))
        return 0
    say(*conversion_lines(summary), use)
    return 0


def conversion_summary(source: LabelSource, output: Path) -> dict[str, Any]:
    """Return facts about the converted labels."""
    labels = source.labels
    return {
        "file": str(output),
        "from": str(labels.file),
        "images": len(labels.names),
        "references": None if labels.references is None else len(set(labels.references)),
        "splits": None if labels.splits is None else {name: len(rows) for name, rows in labels.splits.items()},
        "scale": str(labels.scale),
        "deviations": labels.mos_std is not None,
        "other_columns": list(labels.others),
        "note": source.known.note if source.known is not None else "",
    }


def conversion_lines(summary: dict[str, Any]) -> list[str]:
    """Return `conversion_summary` as text."""
    found = contents(summary["images"], summary["references"], summary["splits"])
    deviations = "with" if summary["deviations"] else "without"
    others = f"; also {', '.join(summary['other_columns'])}" if summary["other_columns"] else ""
    return [
        f"{summary['file']}: {found} from {summary['from']}",
        f"MOS {summary['scale']}; {deviations} standard deviations{others}.",
        *([f"Note: {summary['note']}."] if summary["note"] else []),
    ]


def where_images(names: ImageNames) -> str:
    """Return a sentence on how the images of a written CSV file are found."""
    if not names.found:
        return "Its images are not here: name their folder with --image_dir when you use it."
    if names.image_dir is None:
        return "Use it as --dataset FILE; its images are found by themselves."
    return f"Use it as --dataset FILE --image_dir {names.image_dir}."


def image_dir_of(names: ImageNames) -> str | None:
    """Return the --image_dir that the written file needs, for JSON."""
    return None if names.image_dir is None else str(names.image_dir)
