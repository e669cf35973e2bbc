"""Photographs of several requests in one network. Oracle: the Scorer on each photograph alone."""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator

import pytest

from linearityiqa.config import LimitsConfig
from linearityiqa.scoring import Details, Scorer
from linearityiqa.serving import batcher
from linearityiqa.serving.answers import Problem
from linearityiqa.serving.batcher import MicroBatcher
from linearityiqa.serving.gate import Metrics
from linearityiqa.serving.uploads import Buffer, Upload
from live_service import GatedRuntime, grey
from pixel_runtime import PixelRuntime

PLAIN = Details()


def uploads(*levels: int, size: tuple[int, int] = (32, 48)) -> list[Upload]:
    return [Upload(f"{level}.png", grey(level, size)) for level in levels]


@contextlib.asynccontextmanager
async def running(runtime, *, batch_size: int = 4, wait: float = 0.0, **limits: object) -> AsyncIterator[MicroBatcher]:
    micro = MicroBatcher(
        Scorer(runtime, batch_size=batch_size),
        LimitsConfig(**limits),
        wait_seconds=wait,
        num_workers=2,
        metrics=Metrics(),
    )
    async with micro.running():
        yield micro


async def until_reached(runtime: GatedRuntime) -> None:
    await asyncio.to_thread(runtime.reached.wait, 60)


async def until(condition) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.005)


def test_requests_at_the_same_time_get_the_scores_of_their_own_photographs() -> None:
    runtime = PixelRuntime()
    sizes = [(32, 48), (20, 30), (32, 48), (40, 16)]
    requests = [uploads(*range(10 * i, 10 * i + 3), size=size) for i, size in enumerate(sizes, 1)]

    async def score() -> list[list[batcher.Answer]]:
        async with running(runtime) as micro:
            return await asyncio.gather(*(micro.score(request, PLAIN) for request in requests))

    alone = Scorer(PixelRuntime())
    for request, found in zip(requests, asyncio.run(score()), strict=True):
        assert [answer.result.path for answer in found] == [upload.name for upload in request]
        assert [answer.result.score for answer in found] == pytest.approx([alone.score(u.content) for u in request])
    assert all(shape[0] <= 4 for shape in runtime.batches)


def test_what_waits_while_the_network_is_busy_is_scored_together_by_size_and_kind() -> None:
    runtime = GatedRuntime()

    async def score() -> None:
        async with running(runtime) as micro:
            runtime.close()
            first = asyncio.create_task(micro.score(uploads(1), PLAIN))
            await until_reached(runtime)
            others = [
                asyncio.create_task(micro.score(uploads(2, 3), PLAIN)),
                asyncio.create_task(micro.score(uploads(4, size=(20, 30)), PLAIN)),
                asyncio.create_task(micro.score(uploads(5), PLAIN)),
                asyncio.create_task(micro.score(uploads(6), Details(maps=True))),
            ]
            await until(lambda: len(micro._pending) == 5)
            runtime.gate.set()
            await asyncio.gather(first, *others)

    asyncio.run(score())
    # the first alone; then those of its size from two requests; then the other size, and the one with a map
    assert sorted(shape[0] for shape in runtime.batches) == [1, 1, 1, 3]


def test_no_more_photographs_are_admitted_than_may_wait() -> None:
    runtime = GatedRuntime()

    async def score() -> None:
        async with running(runtime, max_queue=3, max_files=3) as micro:
            runtime.close()
            first = asyncio.create_task(micro.score(uploads(1, 2), PLAIN))
            await until_reached(runtime)
            with pytest.raises(Problem) as refused:
                await micro.score(uploads(3, 4), PLAIN)
            assert refused.value.status == 503
            assert 1 <= int(refused.value.headers["Retry-After"]) <= 60
            third = asyncio.create_task(micro.score(uploads(5), PLAIN))
            runtime.gate.set()
            assert len(await first) == 2
            assert len(await third) == 1
            micro.refuse_if_full(3)  # all places are free again

    asyncio.run(score())


def test_a_request_that_takes_too_long_is_answered_later_and_leaves_nothing() -> None:
    runtime = GatedRuntime()

    async def score() -> None:
        async with running(runtime, score_seconds=0.2) as micro:
            runtime.close()
            with pytest.raises(Problem, match=r"within 0\.2 s"):
                await micro.score(uploads(1, 2, 3), PLAIN)
            runtime.gate.set()
            assert micro._pending == []
            assert micro._waiting_pixels == 0
            assert (await micro.score(uploads(9), PLAIN))[0].result.score is not None

    asyncio.run(score())


def test_photographs_that_nobody_waits_for_are_not_scored() -> None:
    runtime = GatedRuntime()

    async def score() -> None:
        async with running(runtime) as micro:
            runtime.close()
            first = asyncio.create_task(micro.score(uploads(1), PLAIN))
            await until_reached(runtime)
            gone = asyncio.create_task(micro.score(uploads(2, 3), PLAIN))
            await until(lambda: len(micro._pending) == 2)
            gone.cancel()
            await until(gone.done)
            runtime.gate.set()
            await first

    asyncio.run(score())
    assert [shape[0] for shape in runtime.batches] == [1]


def test_decoding_pauses_while_many_pixels_wait(monkeypatch) -> None:
    monkeypatch.setattr(batcher, "WAITING_PIXELS", 3 * 32 * 48)
    runtime = GatedRuntime()

    async def score() -> None:
        async with running(runtime, batch_size=1) as micro:
            runtime.close()
            request = asyncio.create_task(micro.score(uploads(*range(12)), PLAIN))
            await until(lambda: not micro._room.is_set())
            await asyncio.sleep(0.05)
            # those that were being decoded when the last place was taken still come
            assert micro._waiting_pixels <= (3 + 2) * 32 * 48
            runtime.gate.set()
            assert len(await request) == 12

    asyncio.run(score())


def test_an_unforeseen_failure_of_a_batch_does_not_end_the_service() -> None:
    class Fragile(PixelRuntime):
        def predict(self, batch):
            if len(self.batches) == 0:
                self.batches.append(batch.shape)
                raise ValueError("once")
            return super().predict(batch)

    async def score() -> None:
        async with running(Fragile()) as micro:
            with pytest.raises(ExceptionGroup):
                await micro.score(uploads(1), PLAIN)
            assert (await micro.score(uploads(2), PLAIN))[0].status == 200

    asyncio.run(score())


def test_photographs_are_decoded_side_by_side() -> None:
    # oracle: a barrier that only two threads at a time can pass
    both = threading.Barrier(2, timeout=60)

    class Meeting(Scorer):
        def prepare(self, image, name=None):
            both.wait()
            return super().prepare(image, name)

    async def score() -> None:
        micro = MicroBatcher(
            Meeting(PixelRuntime(), batch_size=4), LimitsConfig(), wait_seconds=0, num_workers=2, metrics=Metrics()
        )
        async with micro.running():
            assert len(await micro.score(uploads(1, 2), PLAIN)) == 2

    asyncio.run(score())


def test_the_buffer_is_shared_by_all_requests() -> None:
    buffer = Buffer(100)
    with buffer.lease() as one, buffer.lease() as other:
        one(60)
        with pytest.raises(Problem) as refused:
            other(41)
        assert refused.value.status == 503
        other(40)
    assert buffer.held == 0
