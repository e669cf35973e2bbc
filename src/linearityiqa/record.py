"""The record in a model file: all that scoring needs besides the network; and the model card made of it."""

import base64
import hashlib
import json
import logging
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from linearityiqa.config import AugmentationConfig, TrainConfig, TransformConfig, from_dict, to_dict
from linearityiqa.errors import MALFORMED, DataError, ModelFileError
from linearityiqa.images import IMAGENET, Normalisation
from linearityiqa.mapping import LinearMapping
from linearityiqa.quality import HEADS, QualityScale, QualityScores, grade

logger = logging.getLogger(__name__)

MAX_DIGESTS = 30_000
"""Most images of a set whose digests a record keeps: 8 characters each."""
_DIGEST_BYTES = 6
FORMAT = 2
"""Version of the record's layout; a reader refuses a newer one."""
_CARD = """---
library_name: linearityiqa
tags:
- image-quality-assessment
- no-reference
---

# {title}

Predicts the technical quality of a photograph without a reference image: {model}. Scores lie on {scale}. Images are
scored {images}.

{figures}
## Use

```
pip install 'linearityiqa[hub,train]'
linearityiqa score --model hf://{repo} photo.jpg
```

```python
from linearityiqa import Scorer

Scorer.from_pretrained("{repo}").score("photo.jpg")
```

## Limits

The scores hold for photographs like those of {database}. To be written by the owner: what the model is not for, where
it fails, and under which licence it and its training data are.
"""


@dataclass(frozen=True)
class ImageDigests:
    """Short digests of image files: enough to recognise the files, too little to tell their names."""

    count: int
    """Number of files."""
    digests: bytes
    """Of each file 6 bytes, ascending: 4 of a digest of its name (without folder and suffix, in lower case), then 2 of
    one of its name and size in bytes. Of more than `MAX_DIGESTS` files the smallest."""

    @classmethod
    def of(cls, paths: Iterable[Path], most: int | None = None) -> "ImageDigests":
        """Compute the digests of files, the smallest `most` of them; a missing file counts as an empty one."""
        digests = sorted(map(_digest, paths))
        return cls(len(digests), b"".join(digests[:most]))

    def among(self, others: "ImageDigests") -> tuple[int, int]:
        """Return how many of `others`, a whole set, are among these files, and how many share only a name with one.

        Where this set is cut, the numbers are estimates.
        """
        own, theirs = self._values(), others._values()
        if not len(own):
            return 0, 0
        same, named = np.isin(theirs, own).sum(), np.isin(theirs >> 16, own >> 16).sum()
        share = self.count / len(own)
        found = min(round(share * int(same)), len(theirs))
        return found, min(round(share * int(named)), len(theirs)) - found

    def _values(self) -> NDArray[np.int64]:
        places = np.frombuffer(self.digests, dtype=np.uint8).reshape(-1, _DIGEST_BYTES).astype(np.int64)
        return places @ (1 << 8 * np.arange(_DIGEST_BYTES - 1, -1, -1, dtype=np.int64))

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {"count": self.count, "digests": base64.b64encode(self.digests).decode("ascii")}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "ImageDigests":
        """Read the plain values of `as_dict`; ValueError or LookupError where they are damaged."""
        digests = base64.b64decode(values["digests"], validate=True)
        if len(digests) % _DIGEST_BYTES:
            raise ValueError("image digests of a wrong length")
        return cls(int(values["count"]), digests)


@dataclass(frozen=True)
class SeenImages:
    """The images that a model was trained and validated on, so that a test of it can take others.

    `databases` holds the digest of each training database and its split (`Database.digest`).
    """

    databases: tuple[str, ...]
    train: ImageDigests
    val: ImageDigests

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {"databases": list(self.databases), "train": self.train.as_dict(), "val": self.val.as_dict()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "SeenImages":
        """Read the plain values of `as_dict`; ValueError or LookupError where they are damaged."""
        train, val = (ImageDigests.from_dict(values[part]) for part in ("train", "val"))
        return cls(tuple(map(str, values["databases"])), train, val)


@dataclass(frozen=True, kw_only=True)
class ModelRecord:
    """Configuration, mapping, scale and figures of a trained model.

    Attributes:
        config: the whole configuration of the training run.
        mapping: the line from each head's output to MOS.
        scale: range and direction of the MOS, or None where unknown (the authors' checkpoints).
        database: name of the training database.
        epoch: best epoch, counted from 1 (0 where unknown).
        figures: measured with the model, e.g. ``{"test SROCC": 0.93}``.
        opinions: whether people gave the MOS, or they were computed (pseudo-labels); None where that was not recorded.
        normalisation: mean and deviation that the network's input is made with; in files of format 1 ImageNet's.
        seen: the images it was trained and validated on; None where that was not recorded.
        software: name and version of the program that wrote the record.
    """

    config: TrainConfig
    mapping: QualityScores[LinearMapping]
    scale: QualityScale | None
    database: str
    epoch: int
    figures: dict[str, float] = field(default_factory=dict)
    opinions: bool | None = None
    normalisation: Normalisation = IMAGENET
    seen: SeenImages | None = None
    software: str = field(default_factory=lambda: f"linearityiqa {version('linearityiqa')}")

    @property
    def labels(self) -> str:
        """Kind of the labels that the model was trained on; empty where that was not recorded."""
        if self.opinions is None:
            return ""
        return "people's opinions" if self.opinions else "pseudo-labels that no person gave"

    def grade(self, score: float) -> str | None:
        """Return the grade of a score, bad to excellent; None where scale or opinions are unknown."""
        return grade(self.scale.position(score)) if self.scale is not None and self.opinions else None

    def to_json(self) -> str:
        """Return the record as one JSON object."""
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
        if self.opinions is not None:
            values["opinions"] = self.opinions
        if self.seen is not None:
            values["seen"] = self.seen.as_dict()
        return json.dumps(values)

    @classmethod
    def from_json(cls, text: str, where: str) -> "ModelRecord":
        """Read a record; ModelFileError, which names the file `where`, if it is damaged or of a newer format."""
        try:
            values = json.loads(text)
            if values["format"] > FORMAT:
                raise ModelFileError(f"{where} was written by a newer {values['software']}. Update linearityiqa.")
            return cls(
                config=from_dict(TrainConfig, values["config"], where),
                mapping=QualityScores(**{head: LinearMapping.of(values["mapping"][head]) for head in HEADS}),
                scale=QualityScale(**values["scale"]) if values["scale"] else None,
                database=str(values["database"]),
                epoch=int(values["epoch"]),
                figures={str(name): float(value) for name, value in values["figures"].items()},
                opinions=bool(values["opinions"]) if "opinions" in values else None,
                normalisation=_normalisation(values["normalisation"]) if "normalisation" in values else IMAGENET,
                seen=SeenImages.from_dict(values["seen"]) if "seen" in values else None,
                software=str(values["software"]),
            )
        except (DataError, *MALFORMED) as cause:
            raise ModelFileError(f"the record in {where} is damaged: {cause}. Copy the file again.") from cause


def describe_transform(transform: TransformConfig) -> str:
    """Describe what a transform does to the size of an image.

    >>> describe_transform(TransformConfig(resize=True))
    'resized to 498 x 664'
    """
    if transform.size is None:
        return "at their own size"
    words = {"stretch": "resized to", "fit": "resized to the area of", "shrink": "reduced to the area of"}
    text = "{} {} x {}".format(words[transform.resize_mode], *transform.size)
    return f"{text}, decoded at a reduced scale" if transform.effective().decode_reduced else text


def with_transform(record: ModelRecord, transform: TransformConfig | None) -> ModelRecord:
    """Return a record with the transform asked for, if any; a warning says that the model was trained with another."""
    if transform is None or transform.effective() == record.config.transform.effective():
        return record
    logger.warning(
        "the model was trained on images %s, and scores them %s, as asked: its scores may be off",
        describe_transform(record.config.transform),
        describe_transform(transform),
    )
    # a crop that fitted the training size need not fit this one, and means nothing outside training
    return replace(record, config=replace(record.config, transform=transform, augmentation=AugmentationConfig()))


def require_model(record: ModelRecord, described: Mapping[str, Any], path: Path) -> None:
    """Raise ModelFileError unless a file's model has the fields of `ModelConfig` that describe it."""
    for name, value in described.items():
        own = getattr(record.config.model, name)
        if own != value:
            raise ModelFileError(
                f"{path} holds a model with {name} {own}, not {value}. Leave the description out: the file has its own."
            )


def model_card(record: ModelRecord, repo: str) -> str:
    """Return the model card (Markdown, with the hub's metadata at its head) of the repository ``OWNER/NAME``."""
    labels = f", {record.labels}" if record.labels else ""
    rows = "".join(f"| {_plain(name)} | {value:.4g} |\n" for name, value in record.figures.items())
    return _CARD.format(
        title=repo.rpartition("/")[2],
        model=f"{record.config.model.architecture}, trained on {_plain(record.database)}{labels}",
        scale=_plain(str(record.scale)) if record.scale else "no known scale",
        images=describe_transform(record.config.transform),
        figures=f"| measured | value |\n|---|---|\n{rows}\n" if rows else "",
        repo=repo,
        database=_plain(record.database),
    )


def _plain(text: str) -> str:
    """Make a text safe: it breaks no table and starts no HTML."""
    return " ".join(text.replace("|", "/").replace("<", "(").replace(">", ")").split())


def _digest(path: Path) -> bytes:
    name = path.stem.lower().encode("utf-8", "surrogatepass")
    try:
        size = path.stat().st_size
    except OSError:
        size = 0
    whole = path.name.lower().encode("utf-8", "surrogatepass") + b"/%d" % size
    return hashlib.blake2b(name, digest_size=4).digest() + hashlib.blake2b(whole, digest_size=2).digest()


def _normalisation(values: dict[str, Any]) -> Normalisation:
    (r, g, b), (std_r, std_g, std_b) = (map(float, values[name]) for name in ("mean", "std"))
    return Normalisation((r, g, b), (std_r, std_g, std_b))
