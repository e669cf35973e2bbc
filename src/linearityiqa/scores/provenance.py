"""Model and options that the rows of an output were made with, in a file next to them."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from linearityiqa.config import TransformConfig, to_dict
from linearityiqa.errors import MALFORMED, OutputError
from linearityiqa.files import sha256_of, write_text
from linearityiqa.record import ModelRecord

FORMAT = 1
"""Version of the layout of a provenance file."""
MAX_BYTES = 1 << 20
"""Bound on a provenance file."""
REMEDY = "Choose another --output, or start this one over with --fresh."
_INFORMATIVE = ("model", "software")


@dataclass(frozen=True)
class Provenance:
    """Model and options behind the rows of an output; two runs may share it only if all of them agree.

    Attributes:
        model_sha256: digest of the model file.
        architecture: options of the network, which an authors' checkpoint does not record.
        transform: what was done to images before the network saw them.
        columns: names of the columns, in order.
        max_pixels: larger images were refused.
        model: name of the model file; not compared.
        software: what wrote the output; not compared.
    """

    model_sha256: str
    architecture: dict[str, Any]
    transform: dict[str, Any]
    columns: list[str]
    max_pixels: int
    model: str = ""
    software: str = field(default_factory=lambda: f"linearityiqa {version('linearityiqa')}")

    @classmethod
    def of(cls, model_file: Path, record: ModelRecord, columns: Iterable[str], *, max_pixels: int) -> "Provenance":
        """Return the provenance of new rows; reads the model file for its digest."""
        return cls(
            model_sha256=sha256_of(model_file),
            architecture=to_dict(record.config.model),
            transform=to_dict(record.config.transform.effective()),
            columns=list(columns),
            max_pixels=max_pixels,
            model=model_file.name,
        )

    def write(self, path: Path) -> None:
        """Write it to a file."""
        write_text(path, json.dumps({"format": FORMAT, **asdict(self)}, indent=2) + "\n")

    def require_same(self, path: Path, output: Path) -> "Provenance":
        """Return the provenance of `output` in the file `path`, if rows made with this one may join its rows.

        An output may lack the column quality, which version 1.0.0 did not write.

        Raises:
            OutputError: they may not, which names the first difference; or the file is missing, damaged or newer.
        """
        stored = _read(path, output)
        for name, ours in asdict(self).items():
            theirs = getattr(stored, name)
            if name == "columns" and "quality" not in theirs:
                ours = [column for column in ours if column != "quality"]
            if name not in _INFORMATIVE and ours != theirs:
                raise OutputError(
                    f"{output} holds scores made with another {name} ({_short(theirs)}, now {_short(ours)}). {REMEDY}"
                )
        return stored


def _read(path: Path, output: Path) -> Provenance:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ValueError("it is too large")
        values = json.loads(path.read_text(encoding="utf-8"))
        if values.pop("format") != FORMAT:
            raise ValueError("it is of another version of linearityiqa")
        values["transform"] = to_dict(TransformConfig()) | values["transform"]  # later options were at their defaults
        values["columns"] = [*values["columns"]]
        return Provenance(**values)
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
    return ", ".join(value) if isinstance(value, list) else str(value)[:16]
