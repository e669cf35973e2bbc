"""Photographs of all requests: decoded in processes that can be killed, scored by the network in this one."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import NamedTuple

from pebble import CONSTS, ProcessExpired, ProcessPool

from linearityiqa.config.serve import LimitsConfig
from linearityiqa.errors import DataError, ImageTooLargeError, UnreadableImageError
from linearityiqa.machine import process_context
from linearityiqa.scoring import Details, ImageScore, PreprocessedImage, Scorer
from linearityiqa.serving import decoding
from linearityiqa.serving.answers import busy
from linearityiqa.serving.gate import Metrics
from linearityiqa.serving.uploads import Upload

BYTES_A_PIXEL = 20
"""Memory that decoding may take, for each pixel that a photograph may have: the dearest format, JPEG 2000, takes 17."""
COPIES = 4
"""Of a body, while a process receives it."""
SPARE_BYTES = 256 << 20
"""For stacks and tables of the libraries that decode."""
CONSTS.term_timeout = 0.01  # processes that decode leave SIGTERM to this one, and are killed


class Answer(NamedTuple):
    """Result of one photograph, and the HTTP status that it alone would be answered with."""

    result: ImageScore
    status: int = 200


class Job(NamedTuple):
    """A decoded photograph that waits for the network."""

    prepared: PreprocessedImage
    details: Details
    result: "asyncio.Future[ImageScore]"


class Workers:
    """Scores photographs as they come: on a CPU one for each decoding process, on a GPU whatever waits together."""

    def __init__(self, scorer: Scorer, limits: LimitsConfig, *, num_workers: int, metrics: Metrics) -> None:
        self._scorer = scorer
        self._limits = limits
        self._num_workers = num_workers
        self._lanes, self._most = (1, scorer.limit.images) if scorer.on_gpu else (num_workers, 1)
        self._metrics = metrics
        self.admitted = 0
        """Photographs that wait or are being scored."""

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Score photographs inside the block; its end kills the processes that decode."""
        self._waiting: asyncio.Queue[Job] = asyncio.Queue()
        self._places = asyncio.Semaphore(max(self._num_workers, self._lanes * self._most))
        self._pool = self._start_processes()
        self._network = ThreadPoolExecutor(self._lanes, thread_name_prefix="network")
        lanes = [asyncio.create_task(self._run_network()) for _ in range(self._lanes)]
        try:
            yield
        finally:
            for lane in lanes:
                lane.cancel()
            self._network.shutdown(wait=False, cancel_futures=True)
            self._pool.stop()  # type: ignore[no-untyped-call]
            self._pool.join()

    @property
    def waiting(self) -> int:
        """Decoded photographs that wait for the network."""
        return self._waiting.qsize()

    def refuse_if_full(self, count: int = 1) -> None:
        """Refuse a request whose `count` photographs find no place (503)."""
        if self.admitted + count > self._limits.max_queue:
            raise busy("as many photographs wait as may")

    async def score(self, uploads: Sequence[Upload], details: Details) -> list[Answer]:
        """Return the results of photographs, in their order; those without a score say why."""
        self.refuse_if_full(len(uploads))
        self.admitted += len(uploads)
        try:
            async with asyncio.timeout(self._limits.score_seconds), asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._score_one(upload, details)) for upload in uploads]
        except TimeoutError as cause:
            seconds = self._limits.score_seconds
            raise busy(f"the photographs were not scored within {seconds:g} s", seconds) from cause
        finally:
            self.admitted -= len(uploads)
        return [task.result() for task in tasks]

    async def _score_one(self, upload: Upload, details: Details) -> Answer:
        async with self._places:
            try:
                prepared = await self._decode(upload)
            except DataError as cause:
                is_large = isinstance(cause, ImageTooLargeError)
                self._metrics.photographs.labels("too large" if is_large else "unreadable").inc()
                return Answer(ImageScore(upload.name, error=str(cause)), 413 if is_large else 422)
            job = Job(prepared, details, asyncio.get_running_loop().create_future())
            self._waiting.put_nowait(job)
            result = await job.result
        self._metrics.photographs.labels("failed" if result.failed else "scored").inc()
        return Answer(result, 422 if result.failed else 200)

    async def _decode(self, upload: Upload) -> PreprocessedImage:
        """Decode in a process, which is killed where this is cancelled or takes too long."""
        seconds, name = self._limits.decode_seconds, upload.name
        try:
            while True:
                if not self._pool.active:  # pebble gives up a pool of which a process was killed from outside
                    self._pool.join()
                    self._pool = self._start_processes()
                future = self._pool.schedule(decoding.decode, (upload.content, name), timeout=seconds)
                with contextlib.suppress(BrokenProcessPool):
                    return await asyncio.wrap_future(future)
        except TimeoutError as cause:
            raise ImageTooLargeError(
                f"{name} is too costly to decode: it took more than {seconds:g} s. Save it as a plain JPEG or PNG."
            ) from cause
        except MemoryError as cause:
            raise ImageTooLargeError(
                f"{name} takes too much memory to decode. Save it as a plain JPEG or PNG."
            ) from cause
        except ProcessExpired as cause:
            raise UnreadableImageError(
                f"{name} ended the process that decoded it: it is damaged, or needs too much memory. "
                "Save it as a plain JPEG or PNG."
            ) from cause

    def _start_processes(self) -> ProcessPool:
        limits = self._limits
        memory = BYTES_A_PIXEL * limits.max_pixels + COPIES * limits.max_body_bytes + SPARE_BYTES
        bounds = decoding.Bounds(limits.max_pixels, memory, limits.decode_seconds)
        arguments = (self._scorer.record.config.transform, bounds)
        context = process_context(decoding.__name__)
        pool = ProcessPool(self._num_workers, initializer=decoding.start, initargs=arguments, context=context)
        pool.schedule(int)  # starts the processes now, and not with the first photograph
        return pool

    async def _run_network(self) -> None:
        """Score what waits, one batch after the other."""
        loop = asyncio.get_running_loop()
        while True:
            jobs = [await self._waiting.get()]
            while len(jobs) < self._most and not self._waiting.empty():
                jobs.append(self._waiting.get_nowait())
            for details in {job.details for job in jobs}:
                batch = [job for job in jobs if job.details == details and not job.result.done()]
                if not batch:  # their clients have left
                    continue
                prepared = [job.prepared for job in batch]
                try:
                    with self._metrics.network_seconds.time():
                        results = await loop.run_in_executor(self._network, self._scorer.score_batch, prepared, details)
                except Exception as failure:
                    for job in batch:
                        if not job.result.done():
                            job.result.set_exception(failure)
                    continue
                self._metrics.batch_size.observe(len(batch))
                for job, result in zip(batch, results, strict=True):
                    if not job.result.done():
                        job.result.set_result(result)
