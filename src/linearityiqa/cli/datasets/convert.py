"""`linearityiqa datasets convert`: labels from one form into another."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from linearityiqa.cli.datasets.written import image_dir_of, where_images
from linearityiqa.cli.parsing import parse
from linearityiqa.config import ConvertConfig
from linearityiqa.data.databases.infomat import write_info_mat
from linearityiqa.data.databases.labelfile import names_for, refuse_to_overwrite, write_csv
from linearityiqa.data.databases.sources import KNOWN, LabelSource, open_label_file, open_labels

DESCRIPTION = (
    "Write the labels of a database as a CSV file, or as the info.mat of the LinearityIQA authors. --dataset names a "
    "known database, one of its label files, any info.mat, or a CSV file. Difference scores are inverted."
)


def main(argv: Sequence[str]) -> int:
    """Parse, read, write, print."""
    config = parse(ConvertConfig, argv, prog="linearityiqa datasets convert", description=DESCRIPTION)
    refuse_to_overwrite(config.output, config.force)
    source = open_label_file(Path(config.data.dataset), config.data) or open_labels(config.data, others=True)
    names = names_for(config.output, source)
    summary = describe(source, config.output)
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
        print(json.dumps({**summary, "image_dir": image_dir_of(names)}))
        return 0
    print(text_of(summary))
    print(use)
    return 0


def describe(source: LabelSource, output: Path) -> dict[str, Any]:
    """What was converted."""
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


def text_of(summary: dict[str, Any]) -> str:
    """The same for a reader."""
    references = f" of {summary['references']} references" if summary["references"] is not None else ""
    splits = summary["splits"]
    parts = ", ".join(f"{n} {name}" for name, n in splits.items()) if splits is not None else "no split"
    deviations = "with" if summary["deviations"] else "without"
    others = f"; also {', '.join(summary['other_columns'])}" if summary["other_columns"] else ""
    note = f"\nNote: {summary['note']}." if summary["note"] else ""
    return (
        f"{summary['file']}: {summary['images']} images{references} ({parts}) from {summary['from']}\n"
        f"MOS {summary['scale']}; {deviations} standard deviations{others}.{note}"
    )
