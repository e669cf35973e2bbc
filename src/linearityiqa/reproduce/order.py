"""One run of a reproduction: what has to be done for it, as plain values that travel, and how it ended."""

import logging
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

from linearityiqa.config import TestConfig, TrainConfig, from_dict, run_folder, runfiles, to_dict
from linearityiqa.errors import DivergedError, Interrupted, LinearityIQAError
from linearityiqa.reproduce.run_folders import is_tested, training_progress

logger = logging.getLogger(__name__)


class RunEnd(NamedTuple):
    """How a run ended, and the sentence of one that did not end well."""

    status: Literal["done", "diverged", "failed", "stopped"]
    message: str = ""


class Order(NamedTuple):
    """What has to be done for a job, as plain values that travel between processes and machines."""

    training: dict[str, Any]
    tests: list[dict[str, Any]]

    @classmethod
    def of(cls, training: TrainConfig, tests: Sequence[TestConfig]) -> "Order":
        """The order for a training run and the tests of its model."""
        return cls(to_dict(training), [to_dict(test) for test in tests])

    def carry_out(self) -> RunEnd:
        """Do what is ordered, here.

        Raises:
            ConfigError: the order was made by another version of this program.
            Interrupted: the run was asked to stop; its state is saved.
        """
        where = "the order of a run"
        return carry_out(
            from_dict(TrainConfig, self.training, where), [from_dict(TestConfig, test, where) for test in self.tests]
        )


def carry_out(config: TrainConfig, tests: Sequence[TestConfig]) -> RunEnd:
    """Train a run as far as that is not done, and make the tests that are missing; a failure is an outcome.

    Raises:
        Interrupted: the run was asked to stop; its state is saved.
    """
    from linearityiqa.evaluation.testing import evaluate_model_file
    from linearityiqa.training import train

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
