"""Carry out the runs of a reproduction: one after the other, in processes of this machine, or on a Ray cluster.

A worker process is this module, run as a script. Its standard input is one line of JSON, the order, and then stays open
for as long as the runner lives. The last line of its standard output is the outcome, as JSON.
"""

import contextlib
import json
import logging
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from linearityiqa.config import DataConfig, DeviceConfig, ReproduceConfig
from linearityiqa.errors import ConfigError, Interrupted, LinearityIQAError
from linearityiqa.extras import connect, require
from linearityiqa.machine import default_workers, end_after
from linearityiqa.reproduce.job import Job, RunEnd, carry_out, carry_out_order, order_of, progress_of
from linearityiqa.reproduce.paper import Run

if TYPE_CHECKING:
    from linearityiqa.training.stopping import StopRequest

COMMAND = [sys.executable, "-m", "linearityiqa.reproduce.execution"]
"""Command that starts a worker process."""
PAUSE_SECONDS = 0.1
MAX_RETRIES = 5
"""Workers that may be lost with one run before it is given up."""
LOOK_SECONDS = 0.5
SAVE_SECONDS = 120
"""Seconds that runs which are asked to stop have to save their states."""

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
        unopened = [job for job in waiting if _data_of(job) in problems]
        outcomes |= {job.run: RunEnd("failed", problems[_data_of(job)]) for job in unopened}
        waiting = [job for job in waiting if job.run not in outcomes]
        for number, (job, outcome) in enumerate(_carry_out_all(waiting, config), start=1):
            outcomes[job.run] = outcome
            which = f"run {number} of {len(waiting)}"
            if outcome.status in ("done", "stopped"):
                logger.info("%s is %s: %s", which, outcome.status, job.folder)
            else:
                logger.warning("%s %s: %s", which, outcome.status, outcome.message)
    return {job.run: outcomes[job.run] for job in jobs}


def _data_of(job: Job) -> DataConfig:
    """Return the database that a run trains on, whichever its split."""
    return replace(job.config.data, exp_id=0)


def _database_problems(jobs: Sequence[Job]) -> dict[DataConfig, str]:
    """Return why databases cannot be opened, and warn now instead of after hours, when models are tested."""
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


class Worker(NamedTuple):
    """A running process, its job, and the file that it prints to: a pipe would have to be read all the time."""

    job: Job
    process: subprocess.Popen[bytes]
    printed: IO[bytes]

    @classmethod
    def start(cls, job: Job, environment: dict[str, str]) -> "Worker":
        """Start a process and hand it its order."""
        printed = tempfile.TemporaryFile()  # noqa: SIM115 - `close` closes it
        process = subprocess.Popen(
            COMMAND,
            stdin=subprocess.PIPE,
            stdout=printed,
            env=os.environ | environment,
            start_new_session=True,  # Ctrl-C reaches the runner alone, which asks its workers to stop
        )
        order = {"label": job.folder.name, **order_of(job)}
        if process.stdin is not None:
            # a process that died at once reads nothing; its outcome says so
            with contextlib.suppress(BrokenPipeError):
                process.stdin.write(json.dumps(order).encode() + b"\n")
                process.stdin.flush()  # and stays open: its end tells the worker that the runner is gone
        return cls(job, process, printed)

    def outcome(self) -> RunEnd:
        """Return the outcome of a process that has ended."""
        self.printed.seek(0)
        last_line = deque(self.printed, maxlen=1)
        self.close()
        try:
            return RunEnd(**json.loads(last_line[-1]))
        except (IndexError, ValueError, TypeError):
            status = self.process.returncode
            how = f"was killed by signal {-status}" if status < 0 else f"ended with status {status}"
            return RunEnd("failed", f"the process of the run in {self.job.folder} {how}. Start it again to go on.")

    def close(self) -> None:
        """Release the process; where it still runs, it ends."""
        if self.process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self.process.stdin.close()
        self.process.wait()
        self.printed.close()


def run_in_processes(jobs: Iterable[Job], count: int, stop: "StopRequest") -> Iterator[tuple[Job, RunEnd]]:
    """Carry out jobs, at most `count` at once; outcomes come as the runs end.

    Once a stop is asked for, no further run is started, and those under way save their state.
    """
    waiting = deque(jobs)
    slots: dict[int, Worker] = {}
    asked = False
    try:
        while waiting or slots:
            if stop.signal_number is not None:
                waiting.clear()
                if not asked:
                    for worker in slots.values():
                        worker.process.send_signal(signal.SIGTERM)
                asked = True
            for slot in range(count):
                if slot not in slots and waiting:
                    job = waiting.popleft()
                    slots[slot] = Worker.start(job, worker_environment(job, slot, count))
            ended = [slot for slot, worker in slots.items() if worker.process.poll() is not None]
            for slot in ended:
                worker = slots.pop(slot)
                yield worker.job, worker.outcome()
            if not ended:
                time.sleep(PAUSE_SECONDS)
    finally:
        for worker in slots.values():
            worker.close()


def worker_environment(job: Job, slot: int, count: int) -> dict[str, str]:
    """Return the worker's GPU and threads: one GPU, or its share of the cores."""
    from linearityiqa.models.device import visible_gpus

    gpus = visible_gpus() if job.config.device.device in ("auto", "cuda") else ()
    if gpus:
        return {"CUDA_VISIBLE_DEVICES": gpus[slot % len(gpus)]}
    return {"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS") or str(max(1, default_workers(None) // count))}


class Preempted(Exception):  # noqa: N818 - an event, not a fault
    """The machine of a run is being taken away: its state is saved, and it resumes elsewhere."""


def run_on_ray(jobs: Iterable[Job], ray: Any, stop: "StopRequest") -> Iterator[tuple[Job, RunEnd]]:
    """Carry out jobs on a cluster; outcomes come as the runs end.

    Every machine of the cluster needs this package, and this folder, the run folders and the databases under the paths
    that they have here: a run resumes from the state that its last machine saved.
    """
    task = ray.remote(max_retries=MAX_RETRIES, retry_exceptions=[Preempted])(carry_out_there)
    pending: dict[Any, Job] = {}
    for job in jobs:
        resources = ray_resources(job.config.device, ray.nodes())
        pending[task.options(**resources).remote(str(Path.cwd()), order_of(job))] = job
    asked = False
    while pending:
        if stop.signal_number is not None and not asked:
            asked = True
            for reference in pending:
                ray.cancel(reference)
        ended, _ = ray.wait(list(pending), timeout=SAVE_SECONDS if asked else LOOK_SECONDS)
        if asked and not ended:
            return  # their last saved states are not older than --save_minutes
        for reference in ended:
            yield pending.pop(reference), _outcome(ray, reference)


def carry_out_there(folder: str, order: dict[str, Any]) -> dict[str, str]:
    """Carry out an order, in a worker of the cluster, in the folder that the runner was started in."""
    os.chdir(folder)
    try:
        return dict(carry_out_order(order)._asdict())
    except Interrupted as event:
        if event.exit_status == 128 + signal.SIGTERM:
            raise Preempted(str(event)) from event
        return dict(RunEnd("stopped", str(event))._asdict())


def _outcome(ray: Any, reference: Any) -> RunEnd:
    try:
        return RunEnd(**ray.get(reference))
    except ray.exceptions.TaskCancelledError:
        return RunEnd("stopped")
    except ray.exceptions.RayError as failure:
        first_line = str(failure).partition("\n")[0]
        return RunEnd("failed", f"Ray lost the run ({type(failure).__name__}: {first_line})")


def ray_resources(device: DeviceConfig, nodes: list[dict[str, Any]]) -> dict[str, int]:
    """Choose a GPU for a run, where there are any, and cores for itself and decoding, as many as nodes have."""
    most = {
        kind: max((int(node["Resources"].get(kind, 0)) for node in nodes if node["Alive"]), default=0)
        for kind in ("CPU", "GPU")
    }
    workers = device.num_workers if device.num_workers is not None else 4 * (most["GPU"] > 0)
    wanted = (device.num_threads or 1) + workers
    gpus = int(most["GPU"] > 0 and not device.device.startswith("cpu"))
    if device.device.startswith("cuda") and not gpus:
        raise ConfigError(f"--device {device.device} needs a GPU, and the Ray cluster has none")
    return {"num_cpus": min(wanted, max(1, most["CPU"])), "num_gpus": gpus}


def main() -> None:
    """Read an order from standard input, carry it out and print the outcome, as a worker process."""
    values = json.loads(sys.stdin.buffer.readline())
    end_after(lambda: os.read(0, 1))  # the runner holds standard input open; when it ends, a successor resumes the run
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter(f"[{values.pop('label')}] %(message)s"))
    notices = logging.getLogger("linearityiqa")
    notices.setLevel(logging.INFO)
    notices.handlers = [handler]
    try:
        outcome = carry_out_order(values)
    except Interrupted as stop:
        outcome = RunEnd("stopped", str(stop))
    print(json.dumps(outcome._asdict()), flush=True)


if __name__ == "__main__":
    main()
