"""Photographs of several requests in one network. Oracle: the Scorer on each photograph alone."""

import asyncio
import contextlib
import io
import multiprocessing
from collections.abc import AsyncIterator

import pytest
from PIL import Image

import costly_decoders
from linearityiqa.config import LimitsConfig
from linearityiqa.scoring import Details, Scorer
from linearityiqa.serving import decoding
from linearityiqa.serving.answers import Problem
from linearityiqa.serving.gate import Metrics
from linearityiqa.serving.uploads import Buffer, Upload
from linearityiqa.serving.workers import Workers
from live_service import GatedRuntime, grey
from pixel_runtime import PixelRuntime

PLAIN = Details()
pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def uploads(*levels: int, size: tuple[int, int] = (32, 48)) -> list[Upload]:
    return [Upload(f"{level}.png", grey(level, size)) for level in levels]


@contextlib.asynccontextmanager
async def running(runtime, *, batch_size: int = 4, **limits: object) -> AsyncIterator[Workers]:
    scorer = Scorer(runtime, batch_size=batch_size)
    workers = Workers(scorer, LimitsConfig(**limits), num_workers=2, metrics=Metrics())
    async with workers.running():
        yield workers


async def until_reached(runtime: GatedRuntime) -> None:
    await asyncio.to_thread(runtime.reached.wait, 60)


async def until(condition) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.005)


async def test_requests_at_the_same_time_get_the_scores_of_their_own_photographs() -> None:
    runtime = PixelRuntime()
    sizes = [(32, 48), (20, 30), (32, 48), (40, 16)]
    requests = [uploads(*range(10 * i, 10 * i + 3), size=size) for i, size in enumerate(sizes, 1)]

    async with running(runtime) as workers:
        answers = await asyncio.gather(*(workers.score(request, PLAIN) for request in requests))
    alone = Scorer(PixelRuntime())
    for request, found in zip(requests, answers, strict=True):
        assert [answer.result.path for answer in found] == [upload.name for upload in request]
        assert [answer.result.score for answer in found] == pytest.approx([alone.score(u.content) for u in request])
    assert all(shape[0] <= 4 for shape in runtime.batches)


async def test_a_gpu_scores_what_waits_together_by_size_and_kind() -> None:
    runtime = GatedRuntime()
    runtime.on_gpu = True
    async with running(runtime, batch_size=8) as workers:
        runtime.close()
        first = asyncio.create_task(workers.score(uploads(1), PLAIN))
        await until_reached(runtime)
        others = [
            asyncio.create_task(workers.score(uploads(2, 3), PLAIN)),
            asyncio.create_task(workers.score(uploads(4, size=(20, 30)), PLAIN)),
            asyncio.create_task(workers.score(uploads(5), PLAIN)),
            asyncio.create_task(workers.score(uploads(6), Details(maps=True))),
        ]
        await until(lambda: workers.waiting == 5)
        runtime.gate.set()
        await asyncio.gather(first, *others)
    # the first alone; then those of its size from two requests; then the other size, and the one with a map
    assert sorted(shape[0] for shape in runtime.batches) == [1, 1, 1, 3]


async def test_no_more_photographs_are_admitted_than_may_wait() -> None:
    runtime = GatedRuntime()
    async with running(runtime, max_queue=3, max_files=3) as workers:
        runtime.close()
        first = asyncio.create_task(workers.score(uploads(1, 2), PLAIN))
        await until_reached(runtime)
        with pytest.raises(Problem) as refused:
            await workers.score(uploads(3, 4), PLAIN)
        assert refused.value.status_code == 503
        assert 1 <= int(refused.value.headers["Retry-After"]) <= 60
        third = asyncio.create_task(workers.score(uploads(5), PLAIN))
        runtime.gate.set()
        assert len(await first) == 2
        assert len(await third) == 1
        workers.refuse_if_full(3)  # all places are free again


async def test_a_request_that_takes_too_long_is_answered_later_and_leaves_nothing() -> None:
    runtime = GatedRuntime()
    async with running(runtime, score_seconds=0.2) as workers:
        runtime.close()
        with pytest.raises(Problem, match=r"within 0\.2 s"):
            await workers.score(uploads(1, 2, 3), PLAIN)
        runtime.gate.set()
        async with asyncio.timeout(60):
            while True:
                with contextlib.suppress(Problem):  # a busy machine may take 0.2 s for one
                    assert (await workers.score(uploads(9), PLAIN))[0].result.score is not None
                    break


async def test_photographs_that_nobody_waits_for_are_not_scored() -> None:
    runtime = GatedRuntime()
    runtime.on_gpu = True
    async with running(runtime) as workers:
        runtime.close()
        first = asyncio.create_task(workers.score(uploads(1), PLAIN))
        await until_reached(runtime)
        gone = asyncio.create_task(workers.score(uploads(2, 3), PLAIN))
        await until(lambda: workers.waiting == 2)
        gone.cancel()
        await until(gone.done)
        runtime.gate.set()
        await first
    assert [shape[0] for shape in runtime.batches] == [1]


async def test_an_unforeseen_failure_of_a_batch_does_not_end_the_service() -> None:
    class Fragile(PixelRuntime):
        def predict(self, batch):
            if len(self.batches) == 0:
                self.batches.append(batch.shape)
                raise ValueError("once")
            return super().predict(batch)

    async with running(Fragile()) as workers:
        with pytest.raises(ExceptionGroup):
            await workers.score(uploads(1), PLAIN)
        assert (await workers.score(uploads(2), PLAIN))[0].status == 200


def processes() -> set[int]:
    """The processes that decode."""
    return {process.pid for process in multiprocessing.active_children() if "pool" in process.name}


@pytest.mark.parametrize(
    ("decoder", "status", "words"),
    [
        (costly_decoders.never_ends, 413, "more than 0.5 s"),
        (costly_decoders.takes_memory, 413, "too much memory"),
        (costly_decoders.dies, 422, "ended the process"),
    ],
)
async def test_a_photograph_that_oversteps_is_answered_and_the_next_is_scored(
    monkeypatch, decoder, status, words
) -> None:
    monkeypatch.setattr(decoding, "decode", decoder)
    async with running(PixelRuntime(), decode_seconds=0.5, max_megapixels=1, max_body_mb=1) as workers:
        await workers.score(uploads(1), PLAIN)
        for _ in range(3):  # more than there are processes
            (answer,) = await workers.score([Upload("costly.jpg", b"costly")], PLAIN)
            assert answer.status == status
            assert "costly.jpg" in answer.result.error
            assert words in answer.result.error
        assert (await workers.score(uploads(2), PLAIN))[0].status == 200
    assert processes() == set()


async def test_a_photograph_that_nobody_waits_for_is_decoded_no_further(monkeypatch) -> None:
    monkeypatch.setattr(decoding, "decode", costly_decoders.never_ends)
    async with running(PixelRuntime(), decode_seconds=3600) as workers:
        await workers.score(uploads(1), PLAIN)
        before = processes()
        gone = [asyncio.create_task(workers.score([Upload("a", b"costly")], PLAIN)) for _ in range(2)]
        await asyncio.sleep(0.1)
        for task in gone:
            task.cancel()
        assert (await workers.score(uploads(2), PLAIN))[0].status == 200
        await until(lambda: not before & processes())


async def test_processes_that_are_killed_from_outside_are_replaced() -> None:
    async with running(PixelRuntime()) as workers:
        await workers.score(uploads(1), PLAIN)
        for _ in range(2):
            for process in multiprocessing.active_children():
                process.kill()
            assert (await workers.score(uploads(2), PLAIN))[0].status == 200


async def test_what_libraries_complain_of_goes_nowhere(monkeypatch) -> None:
    monkeypatch.setattr(decoding, "decode", costly_decoders.complains)

    async with running(PixelRuntime()) as workers:
        (answer,) = await workers.score(uploads(1), PLAIN)
    assert answer.result.error == "standard error is /dev/null"


async def test_a_progressive_jpeg_whose_last_scan_is_repeated_keeps_no_process() -> None:
    # in 0.5 s or by its scans, whichever comes first
    stream = io.BytesIO()
    Image.linear_gradient("L").resize((2500, 2500)).save(stream, "JPEG", progressive=True)
    content = stream.getvalue()
    last = content.rindex(b"\xff\xda")
    costly = content[:last] + content[last:-2] * 1000 + b"\xff\xd9"
    async with running(PixelRuntime(), decode_seconds=0.5) as workers:
        (answer,) = await workers.score([Upload("scans.jpg", costly)], PLAIN)
        assert answer.status in (413, 422)
        assert (await workers.score(uploads(2), PLAIN))[0].status == 200


def test_the_buffer_is_shared_by_all_requests() -> None:
    buffer = Buffer(100)
    with buffer.lease() as one, buffer.lease() as other:
        one(60)
        with pytest.raises(Problem) as refused:
            other(41)
        assert refused.value.status_code == 503
        other(40)
    assert buffer.held == 0
