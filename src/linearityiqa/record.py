"""What a model file says about its model: enough to score with the file alone."""

import json
import math
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from typing import Any

from linearityiqa.config import TrainConfig, from_dict, to_dict
from linearityiqa.errors import DataError, ModelFileError
from linearityiqa.images import IMAGENET, Normalisation
from linearityiqa.mapping import LinearMapping
from linearityiqa.quality import HEADS, QualityScale, QualityScores

FORMAT = 2
"""Version of the record's layout; a reader refuses a newer one."""


@dataclass(frozen=True, kw_only=True)
class ModelRecord:
    """Configuration, mapping, scale and figures of a trained model.

    Attributes:
        config: the whole configuration of the training run.
        mapping: the line from each head's output to MOS.
        scale: range and direction of the MOS, or None where unknown (the authors' checkpoints).
        database: name of the training database.
        epoch: best epoch, counted from 1 (0 where unknown).
        figures: what was measured with the model, e.g. ``{"test SROCC": 0.93}``.
        normalisation: mean and deviation that the network's input is made with; in files of format 1 ImageNet's.
        software: name and version of the program that wrote the record.
    """

    config: TrainConfig
    mapping: QualityScores[LinearMapping]
    scale: QualityScale | None
    database: str
    epoch: int
    figures: dict[str, float] = field(default_factory=dict)
    normalisation: Normalisation = IMAGENET
    software: str = field(default_factory=lambda: f"linearityiqa {version('linearityiqa')}")

    def to_json(self) -> str:
        """The record as one JSON object."""
        values: dict[str, Any] = {
            "format": FORMAT,
            "config": to_dict(self.config),
            "mapping": {head: asdict(line) for head, line in zip(HEADS, self.mapping, strict=True)},
            "scale": asdict(self.scale) if self.scale else None,
            "database": self.database,
            "epoch": self.epoch,
            "figures": self.figures,
            "normalisation": asdict(self.normalisation),
            "software": self.software,
        }
        return json.dumps(values)

    @classmethod
    def from_json(cls, text: str, where: str) -> "ModelRecord":
        """Read a record.

        Args:
            text: what `to_json` wrote.
            where: the file it stands in, for messages.

        Raises:
            ModelFileError: not a record, a damaged one, or one of a newer format.
        """
        try:
            values = json.loads(text)
            if values["format"] > FORMAT:
                raise ModelFileError(f"{where} was written by a newer {values['software']}. Update linearityiqa.")
            return cls(
                config=from_dict(TrainConfig, values["config"], where),
                mapping=QualityScores(**{head: _line(values["mapping"][head]) for head in HEADS}),
                scale=QualityScale(**values["scale"]) if values["scale"] else None,
                database=str(values["database"]),
                epoch=int(values["epoch"]),
                figures={str(name): float(value) for name, value in values["figures"].items()},
                normalisation=_normalisation(values["normalisation"]) if "normalisation" in values else IMAGENET,
                software=str(values["software"]),
            )
        except (
            DataError,
            LookupError,
            TypeError,
            ValueError,
            AttributeError,
            ArithmeticError,
            RecursionError,
        ) as cause:
            raise ModelFileError(f"the record in {where} is damaged: {cause}. Copy the file again.") from cause


def _normalisation(values: dict[str, Any]) -> Normalisation:
    (r, g, b), (std_r, std_g, std_b) = (map(float, values[name]) for name in ("mean", "std"))
    return Normalisation((r, g, b), (std_r, std_g, std_b))


def _line(values: dict[str, Any]) -> LinearMapping:
    line = LinearMapping(slope=float(values["slope"]), intercept=float(values["intercept"]))
    if not (math.isfinite(line.slope) and math.isfinite(line.intercept)):
        raise ValueError(f"a mapping that is not finite ({line})")
    return line
