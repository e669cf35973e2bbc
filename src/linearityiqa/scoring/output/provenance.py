"""What the rows of an output were made with, in a file beside it, so that scores of two models are never mixed."""

import csv
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from linearityiqa.config import to_dict
from linearityiqa.errors import OutputError
from linearityiqa.extras import require
from linearityiqa.files import sha256_of, write_text
from linearityiqa.record import ModelRecord
from linearityiqa.scoring.results import Details, ImageScore, columns

FORMAT = 1
"""Version of the file's layout."""
MAX_BYTES = 1 << 20
_INFORMATIVE = ("model", "software")


@dataclass(frozen=True)
class Provenance:
    """What decides the rows of an output; two runs may share an output only if all of it agrees.

    Attributes:
        model_sha256: digest of the model file.
        architecture: options of the network, of which an authors' checkpoint says nothing itself.
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
    def of(cls, model_file: Path, record: ModelRecord, details: Details, *, max_pixels: int) -> "Provenance":
        """What rows are made with from now on; reads the model file for its digest."""
        return cls(
            model_sha256=sha256_of(model_file),
            architecture=to_dict(record.config.model),
            transform=to_dict(record.config.transform.effective()),
            columns=list(columns(details)),
            max_pixels=max_pixels,
            model=model_file.name,
        )

    def write(self, path: Path) -> None:
        """Write it to a file."""
        write_text(path, json.dumps({"format": FORMAT, **asdict(self)}, indent=2) + "\n")

    @classmethod
    def read(cls, path: Path, output: Path) -> "Provenance":
        """What the rows of `output` were made with, as its companion file `path` says.

        Raises:
            OutputError: there is no such file, or it is damaged, or of a newer version.
        """
        try:
            if path.stat().st_size > MAX_BYTES:
                raise ValueError("it is too large")
            values = json.loads(path.read_text(encoding="utf-8"))
            if values.pop("format") != FORMAT:
                raise ValueError("it is of another version of linearityiqa")
            return cls(**values)
        except FileNotFoundError as cause:
            raise OutputError(
                f"{output} is there, but not {path.name}, which says what its scores were made with. Choose another "
                "--output, or start this one over with --fresh."
            ) from cause
        except (OSError, ValueError, TypeError, LookupError, AttributeError, RecursionError) as cause:
            raise OutputError(
                f"cannot read {path}, which says what the scores of {output.name} were made with: {cause}. Choose "
                "another --output, or start this one over with --fresh."
            ) from cause

    def require_same(self, stored: "Provenance", output: Path) -> None:
        """Check that rows made with this may join those of an output made with `stored`.

        Raises:
            OutputError: they may not; names the first difference.
        """
        for name, ours in asdict(self).items():
            theirs = getattr(stored, name)
            if name not in _INFORMATIVE and ours != theirs:
                raise OutputError(
                    f"{output} holds scores made with another {name} ({_short(theirs)}, now {_short(ours)}). "
                    "Choose another --output, or start this one over with --fresh."
                )


def _short(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {item}" for name, item in value.items())
    return ", ".join(value) if isinstance(value, list) else str(value)[:16]


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
