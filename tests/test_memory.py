"""Oracle: the system's own count of the pages that it had to provide."""

import importlib
import subprocess
import sys

import pytest

from linearityiqa.cli import main

BATCHES = """
import resource
from concurrent.futures import ThreadPoolExecutor
import numpy as np
from linearityiqa.memory import keep_freed_memory

def batch():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    blocks = [np.full(12_000_000, 1.0) for _ in range(2)]
    del blocks
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

if {keep}:
    keep_freed_memory()
if {thread}:
    pages = ThreadPoolExecutor(1).map(lambda _: batch(), range(4))
else:
    pages = (batch() for _ in range(4))
print(min(list(pages)[1:]))
"""


def pages_a_batch(*, keep: bool, thread: bool) -> int:
    """New pages of work that takes and frees 192 MB, from the second time on."""
    done = subprocess.run(
        [sys.executable, "-c", BATCHES.format(keep=keep, thread=thread)], capture_output=True, text=True, check=True
    )
    return int(done.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="a setting of glibc's malloc")
@pytest.mark.parametrize("thread", [False, True], ids=["main thread", "another thread"])
def test_a_batch_reuses_the_memory_of_the_batch_before(thread) -> None:
    assert pages_a_batch(keep=False, thread=thread) > 400
    assert pages_a_batch(keep=True, thread=thread) < 100


@pytest.mark.parametrize(
    ("module", "words"),
    [
        ("linearityiqa.cli.score", ["score", "photo.png"]),
        ("linearityiqa.cli.test", ["test", "--model", "none.safetensors", "--dataset", "none.csv"]),
        ("linearityiqa.training.session", ["train", "--dataset", "none.csv", "--device", "cpu"]),
    ],
)
def test_the_commands_ask_for_it(module, words, monkeypatch, tmp_path) -> None:
    (tmp_path / "photo.png").touch()
    monkeypatch.chdir(tmp_path)
    calls: list[int] = []
    monkeypatch.setattr(importlib.import_module(module), "keep_freed_memory", lambda: calls.append(1))
    main(words)
    assert calls == [1]
