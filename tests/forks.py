"""Scoring in a forked process, which hangs where the threads of the parent are waited for."""

import multiprocessing
from pathlib import Path

import pytest

from linearityiqa import Scorer


def in_a_fork(scorer: Scorer, image: Path) -> None:
    """Score an image here, then in a fork, one by one and as a batch, and require the same scores."""
    if "fork" not in multiprocessing.get_all_start_methods():
        pytest.skip("this system has no fork")
    expected = scorer.score(image)
    context = multiprocessing.get_context("fork")
    scores = context.SimpleQueue()

    def child() -> None:
        scores.put([scorer.score(image), *(result.score for result in scorer.score_many([image, image]))])

    process = context.Process(target=child)
    process.start()
    process.join(300)
    hangs = process.is_alive()
    process.kill()
    assert not hangs
    assert process.exitcode == 0
    assert scores.get() == pytest.approx([expected] * 3, rel=1e-5)
