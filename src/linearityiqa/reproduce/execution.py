"""Carry out the runs of a reproduction: one after the other here, several at once, or on a cluster."""

import contextlib
import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace

from linearityiqa.config import DataConfig, ReproduceConfig
from linearityiqa.errors import LinearityIQAError
from linearityiqa.extras import connect, require
from linearityiqa.reproduce.job import Job, RunEnd, carry_out, progress_of
from linearityiqa.reproduce.paper import Run

logger = logging.getLogger(__name__)


def run_jobs(jobs: Sequence[Job], config: ReproduceConfig) -> dict[Run, RunEnd]:
    """Carry out the rest of some jobs; those of an earlier call resume where it stopped.

    A run that fails is reported and stops no other; one that diverged is not tried again unless `config.fresh`.

    Raises:
        MissingExtraError: torch, or Ray where it is asked for, is not installed.
        ConfigError: the Ray cluster cannot be reached.
        Interrupted: SIGINT or SIGTERM; the runs under way have saved their states.
    """
    outcomes: dict[Run, RunEnd] = {}
    waiting = []
    for job in jobs:
        progress = progress_of(job)
        if config.fresh or progress.state in ("missing", "part done"):
            waiting.append(replace(job, config=replace(job.config, run=replace(job.config.run, fresh=config.fresh))))
        elif progress.state == "refused":
            outcomes[job.run] = RunEnd("failed", progress.words)
            logger.warning("not run: %s", progress.words)
        else:
            outcomes[job.run] = RunEnd("done" if progress.state == "done" else "diverged", progress.words)
    if waiting:
        require("torch", "train")
        logger.info("%d of %d runs are left to do", len(waiting), len(jobs))
        problems = _database_problems(waiting)
        hopeless = {job.run: RunEnd("failed", problems[data]) for job in waiting if (data := _data_of(job)) in problems}
        outcomes |= hopeless
        waiting = [job for job in waiting if job.run not in hopeless]
        for number, (job, outcome) in enumerate(_carry_out_all(waiting, config), start=1):
            outcomes[job.run] = outcome
            _report(f"run {number} of {len(waiting)}", job, outcome)
    return {job.run: outcomes[job.run] for job in jobs}


def _data_of(job: Job) -> DataConfig:
    """Return the database that a run trains on, whichever its split."""
    return replace(job.config.data, exp_id=0)


def _database_problems(jobs: Sequence[Job]) -> dict[DataConfig, str]:
    """Return why databases cannot be opened: said now, not by each run, or after hours when models are tested."""
    from linearityiqa.data.databases.opening import open_database

    problems: dict[DataConfig, str] = {}
    needed = [_data_of(job) for job in jobs] + [test.data for job in jobs for test in job.tests]
    for data in dict.fromkeys(needed):
        try:
            open_database(data, jobs[0].config.optimiser.seed)
        except LinearityIQAError as problem:
            problems[data] = str(problem)
            logger.warning("%s", problem)
    return problems


def _carry_out_all(jobs: Sequence[Job], config: ReproduceConfig) -> Iterator[tuple[Job, RunEnd]]:
    if config.ray is None and config.jobs == 1:
        for job in jobs:
            logger.info("%s: %s", job.folder, job.run)
            yield job, carry_out(job.config, job.tests)
        return
    from linearityiqa.reproduce.processes import run_in_processes, run_on_ray
    from linearityiqa.training.stopping import StopRequest

    with contextlib.ExitStack() as stack:
        if config.ray is not None:
            ray = connect(config.ray)  # before the signals are taken over: Ray sets its own handlers
            stack.callback(ray.shutdown)
            stop = stack.enter_context(StopRequest())
            yield from run_on_ray(jobs, ray, stop)
        else:
            # the bars of several processes would overwrite each other
            quiet = [replace(job, config=replace(job.config, run=replace(job.config.run, pbar=False))) for job in jobs]
            stop = stack.enter_context(StopRequest())
            yield from run_in_processes(quiet, config.jobs, stop)
        stop.raise_if_requested("stopped; the same command resumes from the states that the runs have saved")


def _report(which: str, job: Job, outcome: RunEnd) -> None:
    if outcome.status in ("done", "stopped"):
        logger.info("%s is %s: %s", which, outcome.status, job.folder)
    else:
        logger.warning("%s %s: %s", which, outcome.status, outcome.message)
