"""Photographs of many requests, scored together: decoded in threads, batched by size, never waiting long."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import NamedTuple

from linearityiqa.config.serve import LimitsConfig
from linearityiqa.errors import DataError, ImageTooLargeError
from linearityiqa.scoring import Details, ImageScore, PreprocessedImage, Scorer
from linearityiqa.scoring.inference import WAITING_PIXELS
from linearityiqa.serving.answers import busy
from linearityiqa.serving.gate import Metrics
from linearityiqa.serving.uploads import Upload


class Answer(NamedTuple):
    """Result of one photograph, and its status.

    Attributes:
        result: its scores, or the reason why it has none.
        status: the HTTP status that it alone would be answered with.
    """

    result: ImageScore
    status: int = 200


@dataclass(eq=False)
class Job:
    """A decoded photograph that waits for the network."""

    prepared: PreprocessedImage
    details: Details
    result: "asyncio.Future[ImageScore]"
    since: float = field(default_factory=time.monotonic)

    @property
    def pixels(self) -> int:
        """Pixels that the network sees."""
        return self.prepared.size[0] * self.prepared.size[1]

    @property
    def kind(self) -> tuple[tuple[int, int], Details]:
        """Size and details that the photographs of a batch share."""
        return self.prepared.size, self.details


class MicroBatcher:
    """Scores photographs as they come, those of one size together.

    Which photographs share a batch depends on when they arrive; their scores do not depend on it.

    Args:
        scorer: prepares photographs, and scores batches of them; knows how many make a batch.
        limits: how many photographs may be here, and for how long.
        wait_seconds: how long a photograph waits for others that are being decoded.
        num_workers: threads that decode.
        metrics: where batches are counted.
    """

    def __init__(
        self,
        scorer: Scorer,
        limits: LimitsConfig,
        *,
        wait_seconds: float,
        num_workers: int,
        metrics: Metrics,
    ) -> None:
        self._scorer = scorer
        self._limits = limits
        self._wait_seconds = wait_seconds
        self._num_workers = num_workers
        self._metrics = metrics
        self._pending: list[Job] = []
        self._admitted = 0
        self._decoding = 0
        self._waiting_pixels = 0
        self._seconds_per_image = 0.1

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Photographs are scored inside the block."""
        self._wake = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._free_decoder = asyncio.Semaphore(self._num_workers)
        self._decoders = ThreadPoolExecutor(self._num_workers, thread_name_prefix="decode")
        self._network = ThreadPoolExecutor(1, thread_name_prefix="network")
        worker = asyncio.create_task(self._work())
        try:
            yield
        finally:
            worker.cancel()
            for executor in (self._decoders, self._network):
                executor.shutdown(wait=True, cancel_futures=True)

    def refuse_if_full(self, count: int = 1) -> None:
        """Refuse a request whose `count` photographs find no place.

        Raises:
            Problem: 503, with the time after which there will be room.
        """
        if self._admitted + count > self._limits.max_queue:
            raise busy("as many photographs wait as may", self._admitted * self._seconds_per_image)

    async def score(self, uploads: Sequence[Upload], details: Details) -> list[Answer]:
        """The results of photographs, in their order; those that cannot be scored say why.

        Args:
            uploads: the photographs.
            details: what is asked for beside the scores; something that the model gives.

        Raises:
            Problem: 503 where there is no room for them, or they are not scored in time.
        """
        self.refuse_if_full(len(uploads))
        with self._admit(len(uploads)):
            try:
                async with asyncio.timeout(self._limits.score_seconds), asyncio.TaskGroup() as group:
                    tasks = [group.create_task(self._score_one(upload, details)) for upload in uploads]
            except TimeoutError as cause:
                seconds = self._limits.score_seconds
                raise busy(f"the photographs were not scored within {seconds:g} s", seconds) from cause
        return [task.result() for task in tasks]

    @contextlib.contextmanager
    def _admit(self, count: int) -> Iterator[None]:
        self._admitted += count
        self._metrics.queue.set(self._admitted)
        try:
            yield
        finally:
            self._admitted -= count
            self._metrics.queue.set(self._admitted)

    async def _score_one(self, upload: Upload, details: Details) -> Answer:
        try:
            prepared = await self._prepare(upload)
        except DataError as cause:
            is_large = isinstance(cause, ImageTooLargeError)
            self._metrics.photographs.labels("too large" if is_large else "unreadable").inc()
            return Answer(ImageScore(upload.name, error=str(cause)), 413 if is_large else 422)
        job = Job(prepared, details, asyncio.get_running_loop().create_future())
        with self._held(job):
            result = await job.result
        self._metrics.photographs.labels("failed" if result.failed else "scored").inc()
        return Answer(result, 422 if result.failed else 200)

    async def _prepare(self, upload: Upload) -> PreprocessedImage:
        async with self._free_decoder:
            await self._room.wait()
            self._decoding += 1
            try:
                loop = asyncio.get_running_loop()
                return await loop.run_in_executor(self._decoders, self._scorer.prepare, upload.content, upload.name)
            finally:
                self._decoding -= 1
                self._wake.set()

    @contextlib.contextmanager
    def _held(self, job: Job) -> Iterator[None]:
        """The job waits for the network, until it is scored or nobody waits for it any more."""
        self._pending.append(job)
        self._count_pixels(job.pixels)
        self._wake.set()
        try:
            yield
        finally:
            if job in self._pending:
                self._pending.remove(job)
            self._count_pixels(-job.pixels)

    def _count_pixels(self, change: int) -> None:
        """Let no further photograph be decoded while many pixels wait for the network."""
        self._waiting_pixels += change
        if self._waiting_pixels < WAITING_PIXELS:
            self._room.set()
        else:
            self._room.clear()

    async def _work(self) -> None:
        """Score one batch after the other, for ever."""
        loop = asyncio.get_running_loop()
        while True:
            batch = await self._next_batch()
            started = time.monotonic()
            prepared = [job.prepared for job in batch]
            try:
                results = await loop.run_in_executor(
                    self._network, self._scorer.score_batch, prepared, batch[0].details
                )
            except Exception as failure:
                for job in batch:
                    if not job.result.done():
                        job.result.set_exception(failure)
                continue
            for job, result in zip(batch, results, strict=True):
                if not job.result.done():
                    job.result.set_result(result)
            seconds = time.monotonic() - started
            self._metrics.batch_size.observe(len(batch))
            self._metrics.network_seconds.observe(seconds)
            self._seconds_per_image += 0.1 * (seconds / len(batch) - self._seconds_per_image)

    async def _next_batch(self) -> list[Job]:
        """The photographs that have waited longest and others of their size, as soon as they need not wait."""
        while True:
            self._wake.clear()
            patience = None
            if self._pending:
                oldest = self._pending[0]
                most = self._scorer.limit.of(oldest.pixels)
                batch = [job for job in self._pending if job.kind == oldest.kind][:most]
                patience = oldest.since + self._wait_seconds - time.monotonic()
                if len(batch) == most or self._decoding == 0 or patience <= 0:
                    self._pending = [job for job in self._pending if job not in batch]
                    return batch
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(patience):
                    await self._wake.wait()
