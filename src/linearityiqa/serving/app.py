"""The HTTP interface: its routes and their description, and the service that answers with a scorer."""

import asyncio
import math
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from PIL import Image
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from linearityiqa.config.serve import ServeConfig
from linearityiqa.errors import ConfigError, ModelFileError
from linearityiqa.machine import default_workers
from linearityiqa.scoring import Details, PreprocessedImage, Scorer, describe_transform
from linearityiqa.serving import pages
from linearityiqa.serving.answers import (
    Health,
    Limits,
    Model,
    Problem,
    ScoreQuery,
    Scores,
    ScoringProblem,
    describe_scale,
    file_score,
    problem_response,
    problem_responses,
)
from linearityiqa.serving.gate import Gate, Metrics, Token, refuse_other_sites
from linearityiqa.serving.uploads import Buffer, read_uploads
from linearityiqa.serving.workers import Workers

T = TypeVar("T")

DESCRIPTION = """\
Predicts the quality of photographs without a reference image.

Scores are on the scale of the model's training database, higher is better, and never clipped. Nothing that is sent is
stored. Failures are problem details (RFC 9457)."""

_BINARY = {"schema": {"type": "string", "format": "binary"}}
_FILES = {"type": "array", "minItems": 1, "items": {"type": "string", "format": "binary"}}
_FORM = {
    "schema": {"type": "object", "required": ["files"], "properties": {"files": _FILES}, "additionalProperties": False}
}
_BODY = {
    "requestBody": {
        "required": True,
        "description": "Photographs as files of a form, whatever its fields are called; or one photograph as it is.",
        "content": {"multipart/form-data": _FORM, "application/octet-stream": _BINARY, "image/*": _BINARY},
    }
}


class Service:
    """Answers requests with a scorer; scores one image at the start, whose cost no visitor then waits for."""

    def __init__(self, scorer: Scorer, config: ServeConfig) -> None:
        self._record = scorer.record
        self._limits = config.limits
        self._maps = _warm_up(scorer)
        self._card = pages.CARD if config.trained_model_file is None else None
        self.metrics = Metrics()
        self._buffer = Buffer(config.limits.max_buffer_bytes)
        self.metrics.buffered.set_function(lambda: self._buffer.held)
        self.workers = Workers(
            scorer, config.limits, num_workers=max(1, default_workers(config.device.num_workers)), metrics=self.metrics
        )
        self.metrics.queue.set_function(lambda: self.workers.admitted)

    def model(self) -> Model:
        """Describe the model, and what one request may hold."""
        record, limits = self._record, self._limits
        return Model(
            architecture=record.config.model.architecture,
            database=record.database,
            labels=record.labels or None,
            card=self._card,
            scale=describe_scale(record.scale),
            transform=describe_transform(record.config.transform),
            maps=self._maps,
            figures={name: value for name, value in record.figures.items() if math.isfinite(value)},
            software=record.software,
            version=version("linearityiqa"),
            limits=Limits(
                max_body_bytes=limits.max_body_bytes, max_files=limits.max_files, max_pixels=limits.max_pixels
            ),
        )

    async def score(self, request: Request, *, maps: bool) -> Scores:
        """Score the photographs in the body of a request; ends when the client leaves."""
        if maps and not self._maps:
            raise Problem(422, "this model cannot show where quality is lost. Leave map out.")
        self.workers.refuse_if_full()
        with self._buffer.lease() as hold:
            uploads = await read_uploads(request, hold, self._limits)
            found = await _while_connected(request, self.workers.score(uploads, Details(maps=maps)))
        results = [file_score(answer.result, answer.status, self._record) for answer in found]
        if all(result.error for result in results):
            first = found[0].result.error or ""
            several = f"none of the {len(found)} photographs can be scored. The first: "
            status = 413 if all(answer.status == 413 for answer in found) else 422
            members = {"results": [result.model_dump() for result in results]}
            raise Problem(status, several * (len(found) > 1) + first, members=members)
        return Scores(scale=describe_scale(self._record.scale), results=results)


def _warm_up(scorer: Scorer) -> bool:
    """Score a grey image, and return whether the model also gives quality maps."""
    height, width = scorer.record.config.transform.size or (256, 256)
    image = PreprocessedImage("the first image", Image.new("RGB", (width, height), "grey"))
    try:
        scorer.score_batch([image], Details(maps=True))
    except (ConfigError, ModelFileError):
        scorer.score_batch([image])
        return False
    return True


async def _while_connected(request: Request, answer: Coroutine[Any, Any, T]) -> T:
    """Return the answer, or cancel it as soon as the client has gone."""

    async def wait_for_disconnect() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    working, watching = asyncio.create_task(answer), asyncio.create_task(wait_for_disconnect())
    try:
        await asyncio.wait((working, watching), return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientDisconnect
        return working.result()
    finally:
        working.cancel()
        watching.cancel()


def create_app(service: Service, token: Token | None = None) -> FastAPI:
    """Return the ASGI application; clients of /v1 must send the token, if there is one."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with service.workers.running():
            yield

    app = FastAPI(
        title="LinearityIQA",
        description=DESCRIPTION,
        version=version("linearityiqa"),
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,  # to whatever the header Host says
        lifespan=lifespan,
        exception_handlers=dict.fromkeys((HTTPException, RequestValidationError), _answer_failure),
    )
    app.include_router(_scoring(service, token))
    app.include_router(_operation(service))
    app.router.routes.extend(pages.routes())
    app.add_middleware(Gate, metrics=service.metrics)
    return app


def _scoring(service: Service, token: Token | None) -> APIRouter:
    """Return the routes of /v1."""
    guards = [Depends(refuse_other_sites)]
    if token is not None:
        guards.append(Depends(token.check))
    refusals = (401, 403) if token else (403,)
    router = APIRouter(prefix="/v1", tags=["scoring"], dependencies=guards)

    @router.post(
        "/score",
        summary="Score photographs",
        response_model=Scores,
        openapi_extra=_BODY,
        responses=problem_responses(400, *refusals, 408, 413, 415, 422, 503, model=ScoringProblem),
    )
    async def score(request: Request, query: Annotated[ScoreQuery, Query()]) -> Scores:
        """Scores in the order of the files. If only some of them can be scored, the others say why; if none can, the
        answer is a problem, with the same results as a member."""
        return await service.score(request, maps=query.map)

    @router.get("/model", summary="The model that scores", responses=problem_responses(*refusals))
    async def model() -> Model:
        """Its scale and figures, and what one request may hold."""
        return service.model()

    return router


def _operation(service: Service) -> APIRouter:
    """Return the routes for those who run the service."""
    router = APIRouter(tags=["operation"])

    @router.get("/healthz/ready", summary="The same")
    @router.get("/healthz/live", summary="The same")
    @router.get("/healthz", summary="Whether the service answers")
    async def health() -> Health:
        return Health(status="ok")

    @router.get(
        "/metrics",
        summary="Measures for Prometheus",
        response_class=Response,
        responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
    )
    async def metrics() -> Response:
        return Response(service.metrics.text(), media_type=CONTENT_TYPE_PLAIN_0_0_4)

    return router


async def _answer_failure(request: Request, failure: Exception) -> Response:
    if isinstance(failure, RequestValidationError):
        wrong = [f"{error['loc'][-1]}: {error['msg']}" for error in failure.errors()]
        failure = Problem(422, f"a parameter is wrong. {'; '.join(wrong)}.")
    if isinstance(failure, HTTPException):
        return problem_response(failure)
    raise failure
