"""Rows of scores read back from the file or folder that they were written to."""

import csv
import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from linearityiqa.errors import OutputError
from linearityiqa.extras import require
from linearityiqa.scoring.results import ImageScore

_NUMBERS = ("score", "stage3", "stage4", "uncertainty")
_TEXTS = ("path", "error", "map_file")
_TRUTH = {"true": True, "false": False}


def read_scores(output: Path) -> Iterator[ImageScore]:
    """The rows of an output that is complete, in their order, one by one.

    Args:
        output: a file (.csv, .jsonl), else a folder of Parquet files.

    Raises:
        OutputError: it was changed since it was written, or the disk fails.
    """
    try:
        match output.suffix.lower():
            case ".csv":
                with output.open(encoding="utf-8", errors="surrogateescape", newline="") as stream:
                    yield from map(_of_cells, csv.DictReader(stream, strict=True))
            case ".jsonl":
                with output.open(encoding="ascii") as stream:
                    yield from (_of_values(json.loads(line)) for line in stream)
            case _:
                parquet = require("pyarrow.parquet", "parquet")
                for part in sorted(output.glob("part-*.parquet")):
                    with parquet.ParquetFile(part) as file:
                        for batch in file.iter_batches(batch_size=1000):
                            yield from map(_of_values, batch.to_pylist())
    except (OSError, ValueError, TypeError, LookupError, AttributeError, RecursionError, csv.Error) as cause:
        raise OutputError(f"cannot read the scores in {output}: {cause}. Start it over with --fresh.") from cause


def _of_cells(row: Mapping[str, str]) -> ImageScore:
    values: dict[str, Any] = {name: cell or None for name, cell in row.items()}
    notes = row["notes"].split("; ") if row["notes"] else []
    return _of_values(values | {"on_scale": _TRUTH.get(row["on_scale"]), "notes": notes})


def _of_values(values: Mapping[str, Any]) -> ImageScore:
    numbers: dict[str, Any] = {name: float(values[name]) for name in _NUMBERS if values.get(name) is not None}
    texts: dict[str, Any] = {name: str(values[name]) for name in _TEXTS if values.get(name) is not None}
    if not all(map(math.isfinite, numbers.values())):
        raise ValueError(f"a score of {values['path']} is no number")
    return ImageScore(**texts, **numbers, on_scale=values.get("on_scale"), notes=tuple(map(str, values["notes"])))
