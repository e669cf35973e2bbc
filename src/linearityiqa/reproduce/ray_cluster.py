"""Runs as tasks of a Ray cluster; the run of a lost worker is resumed on another one."""

import os
import signal
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from linearityiqa.config import DeviceConfig
from linearityiqa.errors import ConfigError, Interrupted
from linearityiqa.reproduce.order import Order, RunEnd
from linearityiqa.reproduce.setup import Job
from linearityiqa.training.stopping import StopRequest

MAX_RETRIES = 5
"""How many workers may be lost with one run before it is given up."""
LOOK_SECONDS = 0.5
SAVE_SECONDS = 120
"""How long runs that are asked to stop may take to save their states."""


class Preempted(Exception):  # noqa: N818 - an event, not a fault
    """The machine of a run is being taken away: its state is saved, and it goes on elsewhere."""


def run_on_ray(jobs: Iterable[Job], ray: Any, stop: StopRequest) -> Iterator[tuple[Job, RunEnd]]:
    """Carry out jobs on a cluster; outcomes come as the runs end.

    Every machine of the cluster needs this package, and this folder, the run folders and the databases under the paths
    that they have here: a run goes on from the state that its last machine saved.
    """
    task = ray.remote(max_retries=MAX_RETRIES, retry_exceptions=[Preempted])(_carry_out_there)
    pending: dict[Any, Job] = {}
    for job in jobs:
        resources = _resources(job.config.device, ray.nodes())
        order = Order.of(job.config, job.tests)
        pending[task.options(**resources).remote(str(Path.cwd()), order._asdict())] = job
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


def _carry_out_there(folder: str, order: dict[str, Any]) -> dict[str, str]:
    """In a worker of the cluster: carry out an order in the folder that the runner was started in."""
    os.chdir(folder)
    try:
        return dict(Order(**order).carry_out()._asdict())
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


def _resources(device: DeviceConfig, nodes: list[dict[str, Any]]) -> dict[str, int]:
    """What a run reserves: a GPU where there are any, and cores for itself and its decoding, as far as nodes have them.

    Raises:
        ConfigError: a GPU is asked for and the cluster has none.
    """
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
