"""One running service: the scorer, and everything that bounds and counts its use."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from PIL import Image
from starlette.requests import ClientDisconnect, Request

from linearityiqa.config.serve import ServeConfig
from linearityiqa.data.loading.processes import default_workers
from linearityiqa.errors import ConfigError, ModelFileError
from linearityiqa.scoring import Details, PreprocessedImage, Scorer
from linearityiqa.serving import schemas
from linearityiqa.serving.batcher import Answer, MicroBatcher
from linearityiqa.serving.gate import Metrics, Traffic
from linearityiqa.serving.pages import CARD
from linearityiqa.serving.problems import Problem, described_model, described_scale, file_score
from linearityiqa.serving.uploads import Buffer, read_uploads

T = TypeVar("T")


class Service:
    """Answers requests with a scorer.

    Args:
        scorer: the model; one image is scored here, so that no visitor waits for what a first one takes.
        config: limits and batches.

    Attributes:
        metrics: what is counted.
        traffic: what is under way.
        batcher: scores photographs of several requests together.
    """

    def __init__(self, scorer: Scorer, config: ServeConfig) -> None:
        self._record = scorer.record
        self._limits = config.limits
        self._maps = _warm_up(scorer)
        self._card = CARD if config.trained_model_file is None else None
        self.metrics = Metrics()
        self.traffic = Traffic()
        self.metrics.in_flight.set_function(lambda: self.traffic.in_flight)
        self._buffer = Buffer(config.limits.max_buffer_bytes)
        self.metrics.buffered.set_function(lambda: self._buffer.held)
        self.batcher = MicroBatcher(
            scorer,
            config.limits,
            wait_seconds=config.batch_wait_ms / 1000,
            num_workers=max(1, default_workers(config.device.num_workers)),
            metrics=self.metrics,
        )

    def model(self) -> schemas.Model:
        """What the model is, and what one request may hold."""
        return described_model(self._record, self._limits, maps=self._maps, card=self._card)

    async def score(self, request: Request, *, maps: bool) -> schemas.Scores:
        """Score the photographs in the body of a request.

        Raises:
            Problem: nothing can be scored, or not now.
            ClientDisconnect: nobody waits for the answer any more.
        """
        if maps and not self._maps:
            raise Problem(422, "this model cannot show where quality is lost. Leave map out.")
        self.batcher.refuse_if_full()
        with self._buffer.lease() as hold:
            uploads = await read_uploads(request, hold, self._limits)
            found = await _while_connected(request, self.batcher.score(uploads, Details(maps=maps)))
        results = [file_score(answer.result, answer.status, self._record) for answer in found]
        if all(result.error for result in results):
            raise _nothing_scored(found, results)
        return schemas.Scores(scale=described_scale(self._record.scale), results=results)


def _nothing_scored(found: list[Answer], results: list[schemas.FileScore]) -> Problem:
    first = found[0].result.error or ""
    detail = first if len(found) == 1 else f"none of the {len(found)} photographs can be scored. The first: {first}"
    status = 413 if all(answer.status == 413 for answer in found) else 422
    return Problem(status, detail, members={"results": [result.model_dump() for result in results]})


def _warm_up(scorer: Scorer) -> bool:
    """Score a grey image; whether the model also gives quality maps."""
    height, width = scorer.record.config.transform.size or (256, 256)
    image = PreprocessedImage("the first image", Image.new("RGB", (width, height), "grey"))
    try:
        scorer.score_batch([image], Details(maps=True))
    except (ConfigError, ModelFileError):
        scorer.score_batch([image])
        return False
    return True


async def _while_connected(request: Request, answer: Coroutine[Any, Any, T]) -> T:
    """The answer, or its end as soon as the client has gone."""
    working = asyncio.create_task(answer)
    watching = asyncio.create_task(_disconnection(request))
    try:
        await asyncio.wait((working, watching), return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientDisconnect
        return working.result()
    finally:
        working.cancel()
        watching.cancel()


async def _disconnection(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
