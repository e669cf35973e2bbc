"""Results of the scorer in the words of the service."""

import base64
import io
import math

import numpy as np
from PIL import Image

from linearityiqa.config.serve import LimitsConfig
from linearityiqa.quality import QualityScale
from linearityiqa.record import ModelRecord
from linearityiqa.scoring import ImageScore, QualityMap, describe_transform
from linearityiqa.scoring.quality_map import STRONGEST, TINT
from linearityiqa.serving import schemas


def file_score(result: ImageScore, status: int, record: ModelRecord) -> schemas.FileScore:
    """One photograph's part of an answer.

    Args:
        result: what the scorer says.
        status: that the photograph alone would be answered with.
        record: of the model.
    """
    score, scale = result.score, record.scale
    return schemas.FileScore(
        name=result.path,
        score=result.score,
        stage3=result.stage3,
        stage4=result.stage4,
        on_scale=result.on_scale,
        position=None if score is None or scale is None else scale.position(score),
        quality=None if score is None else record.grade(score),
        notes=list(result.notes),
        map=None if result.quality_map is None else _map(result.quality_map),
        error=None if result.error is None else schemas.FileError(status=status, detail=result.error),
    )


def described_scale(scale: QualityScale | None) -> schemas.Scale | None:
    """The scale of a model, where it is known."""
    return None if scale is None else schemas.Scale(low=scale.low, high=scale.high, note=scale.note)


def described_model(record: ModelRecord, limits: LimitsConfig, *, maps: bool, card: str | None) -> schemas.Model:
    """What the model is, where its card is, and what one request may ask of it."""
    return schemas.Model(
        architecture=record.config.model.architecture,
        database=record.database,
        labels=record.labels or None,
        card=card,
        scale=described_scale(record.scale),
        transform=describe_transform(record.config.transform),
        maps=maps,
        figures={name: value for name, value in record.figures.items() if math.isfinite(value)},
        software=record.software,
        limits=schemas.Limits(
            max_body_bytes=limits.max_body_bytes, max_files=limits.max_files, max_pixels=limits.max_pixels
        ),
    )


def _map(quality_map: QualityMap) -> schemas.QualityMap:
    """The map as a transparent tint of a few pixels, to be stretched over the photograph."""
    height, width = quality_map.values.shape
    tint = np.empty((height, width, 4), dtype=np.uint8)
    tint[..., :3] = TINT
    tint[..., 3] = np.round(255 * STRONGEST * quality_map.loss)
    stream = io.BytesIO()
    Image.fromarray(tint).save(stream, "PNG")
    return schemas.QualityMap(
        image="data:image/png;base64," + base64.b64encode(stream.getvalue()).decode("ascii"),
        height=height,
        width=width,
        best=float(quality_map.values.max()),
        worst=float(quality_map.values.min()),
    )
