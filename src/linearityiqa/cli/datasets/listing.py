"""`linearityiqa datasets list`: the databases known by name."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from linearityiqa.cli.parsing import parse
from linearityiqa.config import ListConfig
from linearityiqa.data.databases.known import KnownDatabase
from linearityiqa.data.databases.sources import KNOWN

DESCRIPTION = (
    "List the databases that --dataset knows by name: size, scale, terms, official page, where they are looked for, "
    "and whether they are here. Nothing is downloaded."
)


def main(argv: Sequence[str]) -> int:
    """Parse, look, print."""
    config = parse(ListConfig, argv, prog="linearityiqa datasets list", description=DESCRIPTION)
    entries = [describe(known) for known in KNOWN.values()]
    if config.json:
        print(json.dumps(entries))
        return 0
    print("\n\n".join(text_of(entry) for entry in entries))
    print("\nAny other database: --dataset FILE.csv with the columns image_name and mos.")
    return 0


def describe(known: KnownDatabase) -> dict[str, Any]:
    """What is known of a database, and what of it is found from the current folder."""
    labels = next((path for path in known.label_files(None) if path.is_file()), None)
    folder = Path(known.name)
    return {
        "name": known.name,
        "images": known.images,
        "scale": str(known.scale),
        "licence": known.licence,
        "source": known.source,
        "note": known.note,
        "image_folder": known.name,
        "link_target": known.link_target,
        "label_files": [known.info_file, *known.release_files],
        "labels_here": None if labels is None else str(labels),
        "folder_here": folder.is_dir(),
    }


def text_of(entry: dict[str, Any]) -> str:
    """An entry for a reader."""
    if entry["labels_here"] and entry["folder_here"]:
        here = f"yes: {entry['image_folder']}, labels in {entry['labels_here']}"
    elif entry["labels_here"]:
        here = f"the labels are ({entry['labels_here']}), the folder {entry['image_folder']} is not"
    elif entry["folder_here"]:
        here = f"the folder {entry['image_folder']} is, the labels are not"
    else:
        here = f"no; get it, then: ln -s /path/to/{entry['link_target']} {entry['image_folder']}"
    lines = [
        f"{entry['name']}: {entry['images']} images, MOS {entry['scale']}",
        f"  from     {entry['source']}",
        f"  licence  {entry['licence']}",
        f"  labels   {' or '.join(entry['label_files'])}",
        *([f"  note     {entry['note']}"] if entry["note"] else []),
        f"  here     {here}",
    ]
    return "\n".join(lines)
