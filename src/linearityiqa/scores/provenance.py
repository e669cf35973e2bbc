"""Model and options that the rows of an output were made with, in a file next to them."""

import json
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from linearityiqa.config import TransformConfig, to_dict
from linearityiqa.errors import MALFORMED, OutputError
from linearityiqa.files import sha256_of
from linearityiqa.record import ModelRecord

Provenance = dict[str, Any]
"""Values of a provenance file."""
FORMAT = 1
"""Version of the layout of a provenance file."""
MAX_BYTES = 1 << 20
"""Bound on a provenance file."""
REMEDY = "Choose another --output, or start this one over with --fresh."
_COMPARED = ("model_sha256", "architecture", "transform", "columns", "max_pixels")


def provenance_of(model_file: Path, record: ModelRecord, columns: Iterable[str], *, max_pixels: int) -> Provenance:
    """Return the provenance of new rows with these columns; reads the model file for its digest."""
    return {
        "format": FORMAT,
        "model_sha256": sha256_of(model_file),
        "architecture": to_dict(record.config.model),  # which an authors' checkpoint does not record
        "transform": to_dict(record.config.transform.effective()),
        "columns": list(columns),
        "max_pixels": max_pixels,
        "model": model_file.name,
        "software": f"linearityiqa {version('linearityiqa')}",
    }


def common_columns(ours: Provenance, path: Path, output: Path) -> list[str]:
    """Return the columns of `output`, whose provenance is in the file `path`, if rows made with `ours` may join it.

    They may lack the column quality, which version 1.0.0 did not write.

    Raises:
        OutputError: they may not, which names the first difference; or the file is missing, damaged or newer.
    """
    theirs = _read(path, output)
    for name in _COMPARED:
        wanted = ours[name]
        if name == "columns" and "quality" not in theirs[name]:
            wanted = [column for column in wanted if column != "quality"]
        if theirs[name] != wanted:
            difference = f"{_short(theirs[name])}, now {_short(wanted)}"
            raise OutputError(f"{output} holds scores made with another {name} ({difference}). {REMEDY}")
    return list(theirs["columns"])


def _read(path: Path, output: Path) -> Provenance:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ValueError("it is too large")
        values = json.loads(path.read_text(encoding="utf-8"))
        if values["format"] != FORMAT:
            raise ValueError("it is of another version of linearityiqa")
        transform = to_dict(TransformConfig()) | values["transform"]  # later options were at their defaults
        return {name: values[name] for name in _COMPARED} | {"transform": transform, "columns": [*values["columns"]]}
    except FileNotFoundError as cause:
        raise OutputError(
            f"{output} is there, but not {path.name}, which says what its scores were made with. {REMEDY}"
        ) from cause
    except (OSError, *MALFORMED) as cause:
        raise OutputError(
            f"cannot read {path}, which says what the scores of {output.name} were made with: {cause}. {REMEDY}"
        ) from cause


def _short(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {item}" for name, item in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)[:16]
