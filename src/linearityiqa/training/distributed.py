"""Several processes, started by torchrun, that train one network: their connection and communication.

Each computes the backbone on its share of the images of every batch, then the heads and the loss on the features of
the whole batch. So the loss, and batch normalisation in the heads, are those of one process, and the gradient of the
backbone is the sum of the shares' gradients.
"""

import contextlib
import functools
import gc
import logging
import os
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

import numpy as np
import torch
import torch.distributed as dist
from torch.distributed.distributed_c10d import PrefixStore, Store
from torch.distributed.rendezvous import rendezvous

from linearityiqa.errors import ConfigError, TrainingError

TIMEOUT = timedelta(minutes=30)
"""Longest wait for another process; then the run fails."""
POLL_SECONDS = 0.05


@dataclass(frozen=True)
class World:
    """The processes of a run; where this is the only one, every method returns its argument.

    `gather`, `all_reduce_max` and `from_main` are collective: each process must call them, in the same order.
    """

    rank: int = 0  # of this process; process 0 alone writes files
    size: int = 1
    local_rank: int = 0
    local_size: int = 1  # processes on this machine
    restarts: int = 0  # of all processes by torchrun

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "World":
        """Return the processes that torchrun has started, or this one alone."""
        address = ("MASTER_ADDR", "MASTER_PORT")
        names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "TORCHELASTIC_RESTART_COUNT", *address)
        try:
            size = int(environment.get("WORLD_SIZE", 1))
            if size == 1:
                return cls()
            rank = int(environment["RANK"])
            local_rank = int(environment.get("LOCAL_RANK", rank))
            local_size = int(environment.get("LOCAL_WORLD_SIZE", size))
            complete = all(map(environment.get, address))
            if not (complete and 0 <= rank < size and 0 <= local_rank < local_size <= size):
                raise ValueError
            world = cls(rank, size, local_rank, local_size, int(environment.get("TORCHELASTIC_RESTART_COUNT", 0)))
        except (KeyError, ValueError) as cause:
            found = ", ".join(f"{name}={environment[name]}" for name in names if name in environment)
            raise ConfigError(
                f"the environment variables {found} name no process of a run. Start several processes with torchrun; "
                "for one, unset WORLD_SIZE."
            ) from cause
        return world

    @property
    def is_main(self) -> bool:
        """Whether this is the process that writes files and speaks to the user."""
        return self.rank == 0

    def device_name(self, name: str) -> str:
        """Return the device of this process, where the user asks for `name`; refuse a device that others share."""
        if self.size == 1 or name == "cpu" or (name == "auto" and not torch.cuda.is_available()):
            return name
        if name not in ("auto", "cuda"):
            raise ConfigError(f"{self.size} processes cannot share the device {name!r}. Take auto, cuda or cpu.")
        count = torch.cuda.device_count()
        if self.local_size > count:
            raise ConfigError(
                f"{self.local_size} processes on a machine with {count} GPU(s): each needs one of its own. Lower "
                "--nproc-per-node, or train with --device cpu."
            )
        return f"cuda:{self.local_rank}"

    def own_seed(self, seed: int) -> int:
        """Return the seed of what this process draws for itself, such as dropout; process 0 takes that of the run."""
        return seed if self.is_main else int(np.random.SeedSequence([seed, self.rank]).generate_state(1, np.uint64)[0])

    def gather(self, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Return the rows of all processes, in the order of their ranks.

        Tensors have shape (N, ...), with one N here, which may differ between processes and be 0. Gradients flow to
        this process's rows only: if each process computes the same loss of all rows, a parameter's gradients add up to
        that of the loss.
        """
        if self.size == 1:
            return tensors
        sizes = [torch.empty(1, dtype=torch.int64) for _ in range(self.size)]
        with report_lost_process():
            dist.all_gather(sizes, torch.tensor([len(tensors[0])]))
            return tuple(self._rows_of_all(rows, [int(size) for size in sizes]) for rows in tensors)

    def all_reduce_max(self, *numbers: float) -> tuple[float, ...]:
        """Return the maximum of each number over the processes."""
        if self.size == 1:
            return numbers
        values = torch.tensor(numbers, dtype=torch.float64)
        with report_lost_process():
            dist.all_reduce(values, dist.ReduceOp.MAX)
        return tuple(values.tolist())

    def from_main(self, content: bytes) -> bytes:
        """Return the content that process 0 gives; that of the others is ignored."""
        if self.size == 1:
            return content
        contents = [content]
        with report_lost_process():
            dist.broadcast_object_list(contents, src=0, device=torch.device("cpu"))
        return contents[0]

    def _rows_of_all(self, rows: torch.Tensor, sizes: list[int]) -> torch.Tensor:
        padded = rows.new_zeros(max(sizes), *rows.shape[1:])  # gloo wants equal shapes
        padded[: len(rows)] = rows.detach()
        parts = [torch.empty_like(padded) for _ in sizes]
        dist.all_gather(parts, padded)
        pieces = [part[:size] for part, size in zip(parts, sizes, strict=True)]
        pieces[self.rank] = rows
        return torch.cat(pieces)


ALONE = World()
"""A run of one process."""


@contextlib.contextmanager
def open_world(device: str) -> Iterator[World]:
    """Connect the processes of this run for the block, on the device that the user asks for."""
    world = World.from_environment()
    if world.size == 1:
        yield world
        return
    gpu = world.device_name(device).startswith("cuda")
    if gpu:
        torch.cuda.set_device(world.local_rank)
    with report_lost_process():
        world = replace(world, restarts=max(world.restarts, _earlier_starts(world)))
        store = PrefixStore(agree_on_prefix(_common_store(), world.rank, world.size), _common_store())
        # gloo and NCCL: numbers about the run stay on the CPU and wait for no GPU
        backends = "cpu:gloo,cuda:nccl" if gpu else "gloo"
        dist.init_process_group(backends, store=store, rank=world.rank, world_size=world.size, timeout=TIMEOUT)
    notices = logging.getLogger("linearityiqa")
    level = notices.level
    if not world.is_main:
        notices.setLevel(logging.ERROR)  # process 0 reports for all
    completed = False
    try:
        yield world
        world.all_reduce_max(0.0)  # waits for all
        completed = True
    finally:
        notices.setLevel(level)
        # DistributedDataParallel refers to itself in a circle; the threads of a group that it keeps alive beyond this
        # place would end while Python shuts down, where they may abort the process
        gc.collect()
        if completed or not gpu:  # after a failure NCCL would wait for processes that are gone
            dist.destroy_process_group()


@functools.cache
def _common_store() -> Store:
    """Return the store that torchrun, or process 0, keeps for all processes."""
    store: Store
    store, _, _ = next(rendezvous("env://", timeout=TIMEOUT))
    return PrefixStore("linearityiqa", store)


def agree_on_prefix(store: Store, rank: int, size: int) -> str:
    """Agree on a new prefix with the `size` processes that are alive; raise a TrainingError if some do not come.

    torchrun may give restarted processes the store of those before them (torch 2.15 does), in which they would find the
    addresses of dead processes and wait without end; and torchrun on another machine may count other restarts. So each
    process leaves a new word, process 0 proposes a prefix of the words it finds, and a prefix is taken once every
    process whose word is in it has agreed, which dead ones do not.
    """
    word = uuid.uuid4().hex
    store.set(f"word of {rank}", word)
    deadline = time.monotonic() + TIMEOUT.total_seconds()
    while time.monotonic() < deadline:
        if rank == 0:
            store.set("proposal", "-".join(store.get(f"word of {other}").decode() for other in range(size)))
        name = store.get("proposal").decode()
        if word in name:
            store.set(f"{name} {rank}", "agreed")
            if store.check([f"{name} {other}" for other in range(size)]):
                return name
        time.sleep(POLL_SECONDS)
    raise TrainingError(f"of the {size} processes of this run some have not come. Start all of them again.")


@functools.cache
def _earlier_starts(world: World) -> int:
    """Return the earlier starts of process 0: torchrun does not count those that another machine caused."""
    return _common_store().add("starts of process 0", int(world.is_main)) - 1


@contextlib.contextmanager
def report_lost_process() -> Iterator[None]:
    """Turn a failure to reach the other processes into a TrainingError."""
    try:
        yield
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as cause:  # what gloo and NCCL raise
        raise TrainingError(
            "another process of this run has ended or does not answer; its own message says why. The same command "
            "resumes from the last saved state."
        ) from cause
