"""Several runs at once: in processes of one machine, each with its own GPU, or as tasks of a Ray cluster.

A process is this module, run as a script. Its standard input is one line of JSON, the order, and then stays open for
as long as the runner lives. The last line of its standard output is the outcome, as JSON.
"""

import contextlib
import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from linearityiqa.config import DeviceConfig
from linearityiqa.errors import ConfigError, Interrupted
from linearityiqa.machine import default_workers, end_after
from linearityiqa.models.device import visible_gpus
from linearityiqa.reproduce.job import Job, RunEnd, carry_out_order, order_of
from linearityiqa.training.stopping import StopRequest

COMMAND = [sys.executable, "-m", f"{__package__}.processes"]
"""Command that starts a worker process."""
PAUSE_SECONDS = 0.1
MAX_RETRIES = 5
"""Workers that may be lost with one run before it is given up."""
LOOK_SECONDS = 0.5
SAVE_SECONDS = 120
"""Seconds that runs which are asked to stop have to save their states."""


class Worker(NamedTuple):
    """A running process and its job."""

    job: Job
    process: subprocess.Popen[bytes]
    reader: threading.Thread
    last_line: deque[bytes]

    @classmethod
    def start(cls, job: Job, environment: dict[str, str]) -> "Worker":
        """Start a process and hand it its order."""
        process = subprocess.Popen(
            COMMAND,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | environment,
            start_new_session=True,  # Ctrl-C reaches the runner alone, which asks its workers to stop
        )
        order = {"label": job.folder.name, **order_of(job)}
        if process.stdin is not None:
            # a process that died at once reads nothing; its outcome says so
            with contextlib.suppress(BrokenPipeError):
                process.stdin.write(json.dumps(order).encode() + b"\n")
                process.stdin.flush()  # and stays open: its end tells the worker that the runner is gone
        last_line: deque[bytes] = deque(maxlen=1)
        # read all the time: a process whose pipe is full waits
        reader = threading.Thread(target=last_line.extend, args=(process.stdout,), daemon=True)
        reader.start()
        return cls(job, process, reader, last_line)

    def outcome(self) -> RunEnd:
        """Return the outcome of a process that has ended."""
        self.close()
        try:
            return RunEnd(**json.loads(self.last_line[-1]))
        except (IndexError, ValueError, TypeError):
            status = self.process.returncode
            how = f"was killed by signal {-status}" if status < 0 else f"ended with status {status}"
            return RunEnd("failed", f"the process of the run in {self.job.folder} {how}. Start it again to go on.")

    def close(self) -> None:
        """Let go of the process; where it still runs, it ends."""
        if self.process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self.process.stdin.close()
        self.process.wait()
        self.reader.join()
        if self.process.stdout is not None:
            self.process.stdout.close()


def run_in_processes(jobs: Iterable[Job], count: int, stop: StopRequest) -> Iterator[tuple[Job, RunEnd]]:
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
    gpus = visible_gpus() if job.config.device.device in ("auto", "cuda") else ()
    if gpus:
        return {"CUDA_VISIBLE_DEVICES": gpus[slot % len(gpus)]}
    return {"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS") or str(max(1, default_workers(None) // count))}


class Preempted(Exception):  # noqa: N818 - an event, not a fault
    """The machine of a run is being taken away: its state is saved, and it resumes elsewhere."""


def run_on_ray(jobs: Iterable[Job], ray: Any, stop: StopRequest) -> Iterator[tuple[Job, RunEnd]]:
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
    wanted = (device.num_threads or 1) + (
        device.num_workers if device.num_workers is not None else 4 * (most["GPU"] > 0)
    )
    gpus = int(most["GPU"] > 0 and not device.device.startswith("cpu"))
    if device.device.startswith("cuda") and not gpus:
        raise ConfigError(f"--device {device.device} needs a GPU, and the Ray cluster has none")
    return {"num_cpus": min(wanted, max(1, most["CPU"])), "num_gpus": gpus}


def main() -> int:
    """Read the order, carry it out, print the outcome."""
    values = json.loads(sys.stdin.buffer.readline())
    end_after(_wait_for_runner)
    _show_notices(values.pop("label"))
    try:
        outcome = carry_out_order(values)
    except Interrupted as stop:
        outcome = RunEnd("stopped", str(stop))
    print(json.dumps(outcome._asdict()), flush=True)
    return 0


def _wait_for_runner() -> None:
    """Return at the end of standard input, which the runner holds open: a successor resumes from the saved state."""
    while os.read(0, 1024):
        pass


def _show_notices(label: str) -> None:
    """Show notices on standard error, with the name of the run before them."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter(f"[{Path(label).name}] %(message)s"))
    logger = logging.getLogger("linearityiqa")
    logger.setLevel(logging.INFO)
    logger.handlers = [handler]


if __name__ == "__main__":
    sys.exit(main())
