"""The answers of the service, as its OpenAPI document describes them; failures are problem details (RFC 9457)."""

import base64
import io
import math
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import numpy as np
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from linearityiqa.quality import QualityScale
from linearityiqa.record import ModelRecord
from linearityiqa.scoring import ImageScore, pictures

MEDIA_TYPE = "application/problem+json"
"""Content type of a problem."""


class Schema(BaseModel):
    """A schema without further fields."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ScoreQuery(Schema):
    """Parameters of a request for scores."""

    map: bool = Field(False, description="Also show where quality is lost.")
    name: str | None = Field(None, description="File name of a photograph that is sent as it is.")


class Scale(Schema):
    """Range of the scores; higher is better."""

    low: float
    high: float
    note: str = Field(description="What else is known of the scale, e.g. that difference scores were inverted.")


class FileError(Schema):
    """Why a photograph has no score."""

    status: int = Field(description="Status that the photograph alone would have been answered with: 413 or 422.")
    detail: str


class QualityMap(Schema):
    """Where quality is lost, on a coarse grid that covers the photograph evenly."""

    image: str = Field(
        description="A tint with one pixel a cell, as a data: address of a PNG: the more opaque, the worse."
    )
    height: int = Field(description="Rows of the grid.")
    width: int = Field(description="Columns of the grid.")
    best: float = Field(description="Local score of the best cell, on the model's scale.")
    worst: float = Field(description="Local score of the worst cell.")


class FileScore(Schema):
    """One photograph, in the place in which it was sent."""

    name: str = Field(description="File name as it was sent; characters that cannot be printed are replaced.")
    score: float | None = Field(description="Predicted quality on the model's scale, never clipped.")
    stage3: float | None = Field(description="The score of the network's shallower stage alone.")
    stage4: float | None = Field(description="The score of the network's deeper stage alone.")
    on_scale: bool | None = Field(description="Whether the score is on the model's scale; null where that is unknown.")
    position: float | None = Field(description="Place of the score between the ends of the scale, 0 to 1.")
    quality: str | None = Field(
        description="The position in words, bad, poor, fair, good or excellent; null where no opinions were learned, "
        "or that is not recorded."
    )
    notes: list[str] = Field(description="What was done to decode the photograph and may bear on its quality.")
    map: QualityMap | None = Field(description="Where quality is lost, if it was asked for.")
    error: FileError | None


class Scores(Schema):
    """The photographs of a request, in their order."""

    scale: Scale | None
    results: list[FileScore]


class Limits(Schema):
    """Limits of one request."""

    max_body_bytes: int
    max_files: int
    max_pixels: int


class Model(Schema):
    """The model that scores."""

    architecture: str
    database: str = Field(description="The database that it was trained on.")
    labels: str | None = Field(
        description="What it has learned to predict: people's opinions, or pseudo-labels; null where not recorded."
    )
    card: str | None = Field(description="Where the card of the model in the package is; null for other models.")
    scale: Scale | None
    transform: str = Field(description="What becomes of a photograph before the network sees it.")
    maps: bool = Field(description="Whether it can show where quality is lost.")
    figures: dict[str, float] = Field(description="What was measured with the model.")
    software: str = Field(description="What the model was trained with.")
    version: str = Field(description="Version of this service.")
    limits: Limits


class Health(Schema):
    """Whether the service takes requests."""

    status: str


class ProblemDetails(BaseModel):
    """A failure (RFC 9457)."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    detail: str


class ScoringProblem(ProblemDetails):
    """A failure in which no photograph could be scored, with the reason for each where they were read."""

    results: list[FileScore] | None = None


def problem_responses(*statuses: int, model: type[BaseModel] = ProblemDetails) -> dict[int | str, dict[str, Any]]:
    """Return the entries of the OpenAPI document for answers that are not a success."""
    schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
    schema.pop("$defs", None)  # the schemas of successful answers are in the document already
    return {status: {"description": _WHY[status], "content": {MEDIA_TYPE: {"schema": schema}}} for status in statuses}


_WHY = {
    400: "The body is not what its headers say.",
    401: "The token is missing or wrong.",
    403: "Another web site sent the request.",
    408: "The body did not arrive in time.",
    413: "Too many bytes, files or pixels.",
    415: "The content type or encoding is not accepted.",
    422: "No photograph can be scored, or a parameter is wrong.",
    503: "The service is full or stops; Retry-After says when to try again.",
}


class Problem(HTTPException):
    """An answer that is not a success: a status, a sentence with the remedy, and further members of the JSON object."""

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        members: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(status, detail, headers)
        self.members = members or {}


def problem_response(problem: HTTPException) -> JSONResponse:
    """Return the answer to a request that cannot be served."""
    status = problem.status_code
    content = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": problem.detail}
    if isinstance(problem, Problem):
        content.update(problem.members)
    return JSONResponse(content, status, problem.headers, MEDIA_TYPE)


def busy(detail: str, retry_seconds: float = 1) -> Problem:
    """Return a 503 for a request that would be served later; says to try again after 1 to 60 whole seconds."""
    wait = min(60, max(1, math.ceil(retry_seconds)))
    return Problem(503, f"{detail}. Try again in {wait} s.", headers={"Retry-After": str(wait)})


def file_score(result: ImageScore, status: int, record: ModelRecord) -> FileScore:
    """Return one photograph's part of an answer; `status` is what it alone would be answered with."""
    score, scale = result.score, record.scale
    return FileScore(
        name=result.path,
        score=result.score,
        stage3=result.stage3,
        stage4=result.stage4,
        on_scale=result.on_scale,
        position=None if score is None or scale is None else scale.position(score),
        quality=None if score is None else record.grade(score),
        notes=list(result.notes),
        map=None if result.quality_map is None else _encode_map(result.quality_map),
        error=None if result.error is None else FileError(status=status, detail=result.error),
    )


def describe_scale(scale: QualityScale | None) -> Scale | None:
    """Return the scale of a model, where it is known."""
    return None if scale is None else Scale(low=scale.low, high=scale.high, note=scale.note)


def _encode_map(found: pictures.QualityMap) -> QualityMap:
    """Return the map as a transparent tint of a few pixels, to be stretched over the photograph."""
    height, width = found.values.shape
    tint = np.empty((height, width, 4), dtype=np.uint8)
    tint[..., :3] = pictures.TINT
    tint[..., 3] = np.round(255 * pictures.STRONGEST * found.loss)
    stream = io.BytesIO()
    Image.fromarray(tint).save(stream, "PNG")
    return QualityMap(
        image="data:image/png;base64," + base64.b64encode(stream.getvalue()).decode("ascii"),
        height=height,
        width=width,
        best=float(found.values.max()),
        worst=float(found.values.min()),
    )
