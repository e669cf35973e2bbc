"""One training run with the tests of its model: how far it is, and carrying it out."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

from linearityiqa.config import TestConfig, TrainConfig, from_dict, run_folder, runfiles, to_dict
from linearityiqa.errors import DivergedError, Interrupted, LinearityIQAError
from linearityiqa.reproduce.paper import Run
from linearityiqa.run_folders import Progress, is_tested, training_progress

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Job:
    """One training run, the tests of its model on other databases, and the names of the items that need it."""

    run: Run
    config: TrainConfig
    tests: tuple[TestConfig, ...]
    """Each has its `output`."""
    items: tuple[str, ...]

    @property
    def folder(self) -> Path:
        """The run folder."""
        return run_folder(self.config)


def progress_of(job: Job) -> Progress:
    """Return how far a run and the tests of its model are; a folder of another configuration is refused in `words`."""
    trained = training_progress(job.config)
    if trained.state != "done":
        return trained
    waiting = [test for test in job.tests if not is_tested(test, job.folder)]
    if waiting:
        return Progress("part done", f"trained, not yet tested on {waiting[0].data.dataset}")
    return trained


class RunEnd(NamedTuple):
    """Outcome of a run, and the sentence of one that did not end well."""

    status: Literal["done", "diverged", "failed", "stopped"]
    message: str = ""


def order_of(job: Job) -> dict[str, Any]:
    """Return a job's training and tests as plain values, which travel between processes and machines."""
    return {"training": to_dict(job.config), "tests": [to_dict(test) for test in job.tests]}


def carry_out_order(order: dict[str, Any]) -> RunEnd:
    """Carry out, in this process, a job that another one sent."""
    where = "the order of a run"
    training = from_dict(TrainConfig, order["training"], where)
    return carry_out(training, [from_dict(TestConfig, test, where) for test in order["tests"]])


def carry_out(config: TrainConfig, tests: Sequence[TestConfig]) -> RunEnd:
    """Train a run as far as that is not done, and make the tests that are missing; a failure is an outcome.

    Raises:
        Interrupted: the run was asked to stop; its state is saved.
    """
    from linearityiqa.evaluation.testing import evaluate_model_file
    from linearityiqa.models.device import keep_memory_of_cpu
    from linearityiqa.training import train

    keep_memory_of_cpu(config.device.device)
    folder = run_folder(config)
    try:
        if config.run.fresh or training_progress(config).state != "done":
            train(config)
        for test in tests:
            if not is_tested(test, folder):
                evaluate_model_file(test, folder / runfiles.MODEL)
    except DivergedError as end:
        return RunEnd("diverged", str(end))
    except Interrupted:
        raise
    except LinearityIQAError as failure:
        return RunEnd("failed", str(failure))
    except Exception as failure:  # memory, disk, a bug: whatever it is, it must not stop the other runs
        logger.debug("the run in %s failed", folder, exc_info=True)
        return RunEnd("failed", f"{type(failure).__name__}: {failure}")
    return RunEnd("done")
