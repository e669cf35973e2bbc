"""Oracle: the system's own count of the pages that it had to provide."""

import subprocess
import sys

import pytest

STEPS = """
import resource
import numpy as np
from linearityiqa.training.memory import keep_freed_memory

def step():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    blocks = [np.full(4_000_000, 1.0) for _ in range(4)]
    del blocks
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

if {keep}:
    keep_freed_memory()
step()
print(min(step() for _ in range(3)))
"""


def pages_a_step(*, keep: bool) -> int:
    """New pages of a step that takes and frees 128 MB, from the second one on."""
    done = subprocess.run([sys.executable, "-c", STEPS.format(keep=keep)], capture_output=True, text=True, check=True)
    return int(done.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="a setting of glibc's malloc")
def test_a_step_reuses_the_memory_of_the_step_before() -> None:
    assert pages_a_step(keep=False) > 1_000
    assert pages_a_step(keep=True) < 100
