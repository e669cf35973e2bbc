"""The HTTP interface: what is asked where, and how it is described."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.security import HTTPBearer
from starlette.exceptions import HTTPException

from linearityiqa.serving import pages
from linearityiqa.serving.gate import CONTENT_TYPE, Gate, Token, refuse_other_sites
from linearityiqa.serving.problems import Problem, busy
from linearityiqa.serving.schemas import Health, Model, ProblemDetails, Scores, ScoringProblem, problem_responses
from linearityiqa.serving.service import Service

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


def create_app(service: Service, token: Token | None = None) -> FastAPI:
    """The ASGI application.

    Args:
        service: answers.
        token: what clients of /v1 must send, if anything.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with service.batcher.running():
            yield

    app = FastAPI(
        title="LinearityIQA",
        description=DESCRIPTION,
        version=version("linearityiqa"),
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        exception_handlers={
            Problem: _answer_problem,
            HTTPException: _answer_http_exception,
            RequestValidationError: _answer_wrong_parameter,
        },
    )
    app.include_router(_scoring(service, token))
    app.include_router(_operation(service))
    shown = pages.routes()
    app.router.routes.extend(shown)
    paths = {*_described(app)["paths"], "/openapi.json", *(route.path for route in shown)}
    app.add_middleware(Gate, metrics=service.metrics, traffic=service.traffic, paths=paths)
    return app


def _scoring(service: Service, token: Token | None) -> APIRouter:
    """/v1: what the service is for."""
    guards = [Depends(refuse_other_sites)]
    if token is not None:
        guards += [Depends(token.check), Depends(HTTPBearer(auto_error=False))]
    refusals = (401, 403) if token else (403,)
    router = APIRouter(prefix="/v1", tags=["scoring"], dependencies=guards)

    @router.post(
        "/score",
        summary="Score photographs",
        response_model=Scores,
        openapi_extra=_BODY,
        responses=problem_responses(400, *refusals, 408, 413, 415, 422, 503, model=ScoringProblem),
    )
    async def score(
        request: Request,
        map: Annotated[bool, Query(description="Also show where quality is lost.")] = False,
        name: Annotated[str | None, Query(description="File name of a photograph that is sent as it is.")] = None,
    ) -> Scores:
        """Scores in the order of the files. If only some of them can be scored, the others say why; if none can, the
        answer is a problem, with the same results as a member."""
        return await service.score(request, maps=map)

    @router.get("/model", summary="The model that scores", responses=problem_responses(*refusals))
    async def model() -> Model:
        """What it is, its scale and figures, and what one request may hold."""
        return service.model()

    return router


def _operation(service: Service) -> APIRouter:
    """What those who run the service ask."""
    router = APIRouter(tags=["operation"])

    @router.get("/healthz/live", summary="Whether the process answers")
    async def live() -> Health:
        return Health(status="ok")

    @router.get("/healthz", summary="Whether the service takes requests", responses=problem_responses(503))
    @router.get("/healthz/ready", summary="The same", responses=problem_responses(503))
    async def ready() -> Health:
        if service.traffic.draining:
            raise busy("the service is about to stop")
        return Health(status="ok")

    @router.get(
        "/metrics",
        summary="Measures for Prometheus",
        response_class=Response,
        responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
    )
    async def metrics() -> Response:
        return Response(service.metrics.text(), media_type=CONTENT_TYPE)

    return router


async def _answer_problem(request: Request, problem: Exception) -> Response:
    if not isinstance(problem, Problem):
        raise problem
    return problem.response()


async def _answer_http_exception(request: Request, failure: Exception) -> Response:
    if not isinstance(failure, HTTPException):
        raise failure
    return Problem(failure.status_code, str(failure.detail), headers=failure.headers).response()


async def _answer_wrong_parameter(request: Request, failure: Exception) -> Response:
    if not isinstance(failure, RequestValidationError):
        raise failure
    wrong = [f"{error['loc'][-1]}: {error['msg']}" for error in failure.errors()]
    return Problem(422, f"a parameter is wrong. {'; '.join(wrong)}.").response()


def _described(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document, with the schemas of problems, which no route returns."""
    document: dict[str, Any] = app.openapi()
    schemas = document["components"]["schemas"]
    for model in (ProblemDetails, ScoringProblem):
        schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
        schema.pop("$defs", None)  # what it refers to is there already
        schemas[model.__name__] = schema
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    return document
