"""Failures as problem details (RFC 9457): what a client did wrong, or what the service cannot do now, as JSON."""

import base64
import io
import math
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import numpy as np
from PIL import Image
from starlette.responses import JSONResponse

from linearityiqa.config.serve import LimitsConfig
from linearityiqa.quality import QualityScale
from linearityiqa.record import ModelRecord
from linearityiqa.scoring import ImageScore, QualityMap, describe_transform
from linearityiqa.scoring.pictures import STRONGEST, TINT
from linearityiqa.serving import schemas

MEDIA_TYPE = "application/problem+json"
"""What every answer that is not a success has as its content type."""


class Problem(Exception):  # noqa: N818 - the name that the standard gives it
    """An answer that is not a success.

    Args:
        status: HTTP status; its phrase is the title.
        detail: one sentence on this occurrence, and its remedy.
        headers: of the answer.
        members: further members of the JSON object.
    """

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        members: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = dict(headers or {})
        self.members = dict(members or {})

    def response(self) -> JSONResponse:
        """The answer."""
        title = HTTPStatus(self.status).phrase
        content = {"type": "about:blank", "title": title, "status": self.status, "detail": self.detail, **self.members}
        return JSONResponse(content, self.status, self.headers, MEDIA_TYPE)


def too_large(detail: str) -> Problem:
    """413: more bytes, files or pixels than are allowed."""
    return Problem(413, detail)


def malformed(detail: str) -> Problem:
    """400: a body that is not what its headers say."""
    return Problem(400, detail)


def too_slow(seconds: float) -> Problem:
    """408: a body that did not arrive in time; what is left of it is not waited for."""
    detail = f"the body did not arrive within {seconds:g} s. Send fewer or smaller photographs at once."
    return Problem(408, detail, headers={"Connection": "close"})


def busy(detail: str, retry_seconds: float = 1) -> Problem:
    """503: a request that would be served later.

    Args:
        detail: what there is too much of.
        retry_seconds: when to try again; rounded up to whole seconds between 1 and 60.
    """
    wait = min(60, max(1, math.ceil(retry_seconds)))
    return Problem(503, f"{detail}. Try again in {wait} s.", headers={"Retry-After": str(wait)})


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
