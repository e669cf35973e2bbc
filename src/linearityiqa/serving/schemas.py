"""What the service answers, as its OpenAPI document describes it."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class Answer(BaseModel):
    """Nothing but the fields that are described."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Scale(Answer):
    """Range of the scores; higher is better."""

    low: float
    high: float
    note: str = Field(description="What else is known of the scale, e.g. that difference scores were inverted.")


class FileError(Answer):
    """Why a photograph has no score."""

    status: int = Field(description="Status that the photograph alone would have been answered with: 413 or 422.")
    detail: str


class QualityMap(Answer):
    """Where quality is lost, on a coarse grid that covers the photograph evenly."""

    image: str = Field(
        description="A tint with one pixel a cell, as a data: address of a PNG: the more opaque, the worse."
    )
    height: int = Field(description="Rows of the grid.")
    width: int = Field(description="Columns of the grid.")
    best: float = Field(description="Local score of the best cell, on the model's scale.")
    worst: float = Field(description="Local score of the worst cell.")


class FileScore(Answer):
    """One photograph, in the place in which it was sent."""

    name: str = Field(description="File name as it was sent; characters that cannot be printed are replaced.")
    score: float | None = Field(description="Predicted quality on the model's scale, never clipped.")
    stage3: float | None = Field(description="The score of the network's shallower stage alone.")
    stage4: float | None = Field(description="The score of the network's deeper stage alone.")
    on_scale: bool | None = Field(
        description="Whether the score lies on the model's scale; null where that is unknown."
    )
    position: float | None = Field(description="Where the score lies between the ends of the scale, 0 to 1.")
    quality: str | None = Field(
        description="The position in words, bad, poor, fair, good or excellent; null where nobody's opinions were "
        "learned, or that is not recorded."
    )
    notes: list[str] = Field(description="What was done to decode the photograph and may bear on its quality.")
    map: QualityMap | None = Field(description="Where quality is lost, if it was asked for.")
    error: FileError | None


class Scores(Answer):
    """The photographs of a request, in their order."""

    scale: Scale | None
    results: list[FileScore]


class Limits(Answer):
    """What one request may hold."""

    max_body_bytes: int
    max_files: int
    max_pixels: int


class Model(Answer):
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
    software: str
    limits: Limits


class Health(Answer):
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
    """Entries of the OpenAPI document for answers that are not a success."""
    schema = {"$ref": f"#/components/schemas/{model.__name__}"}
    return {
        status: {"description": _WHY[status], "content": {"application/problem+json": {"schema": schema}}}
        for status in statuses
    }


_WHY = {
    400: "The body is not what its headers say.",
    401: "The token is missing or wrong.",
    403: "Another web site sent the request.",
    408: "The body did not arrive in time.",
    413: "Too many bytes, files or pixels.",
    415: "The content type or encoding is not accepted.",
    422: "No photograph can be scored, or a parameter is wrong.",
    503: "The service is full or about to stop; Retry-After says when to try again.",
}
