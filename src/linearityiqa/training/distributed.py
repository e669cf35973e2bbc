"""Several processes that train one network: how they start, and what they tell each other.

torchrun starts one process for each GPU and says in environment variables which is which. All of them go through the
same steps; each computes the backbone on its share of the images of every batch, and then the heads and the loss on
the features of the whole batch. So the loss, and batch normalisation in the heads, are those of one process, and the
gradient of the backbone is the sum of the shares' gradients.
"""

import contextlib
import functools
import gc
import logging
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.distributed as dist
from torch.distributed.distributed_c10d import PrefixStore

from linearityiqa.data.loading.samplers import Shares, TrainingBatches
from linearityiqa.errors import ConfigError, TrainingError
from linearityiqa.training.rendezvous import TIMEOUT, common_store, meet


@dataclass(frozen=True)
class World:
    """The processes of a run, as one of them sees them; alone, every method gives its argument back at once.

    The methods are collective: each process of the run must call them, and in the same order.

    Attributes:
        rank: number of this process; process 0 alone writes files.
        size: number of processes.
        local_rank: number of this process on its machine.
        local_size: processes on this machine.
        restarts: how often torchrun has started the processes again.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    local_size: int = 1
    restarts: int = 0

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "World":
        """The processes that torchrun has started, or this one alone.

        Raises:
            ConfigError: variables that contradict each other.
        """
        names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "TORCHELASTIC_RESTART_COUNT")
        address = ("MASTER_ADDR", "MASTER_PORT")
        try:
            size = int(environment.get("WORLD_SIZE", "1"))
            if size == 1:
                return cls()
            rank = int(environment["RANK"])
            defaults = (str(rank), str(size), str(rank), str(size), "0")
            world = cls(*(int(environment.get(name, default)) for name, default in zip(names, defaults, strict=True)))
            if not all(map(environment.get, address)) or not (
                0 <= world.rank < world.size and 0 <= world.local_rank < world.local_size <= world.size
            ):
                raise ValueError
        except (KeyError, ValueError) as cause:
            found = ", ".join(f"{name}={environment[name]}" for name in (*names, *address) if name in environment)
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
        """The device of this process, where the user asks for `name`.

        Raises:
            ConfigError: there are fewer GPUs here than processes, or all would share one device.
        """
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

    def shares(self, batches: TrainingBatches) -> Shares:
        """This process's share of every batch."""
        return Shares(batches, self.rank, self.size)

    def own_seed(self, seed: int) -> int:
        """A seed of what a process draws for itself, such as dropout; process 0 takes that of the run."""
        return seed if self.is_main else int(np.random.SeedSequence([seed, self.rank]).generate_state(1, np.uint64)[0])

    def gather(self, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """The rows that all processes hold, in the order of their ranks.

        Gradients flow to this process's own rows only: where each process computes the same loss of all rows, the sum
        over the processes of what then reaches a parameter is the gradient of that loss.

        Args:
            tensors: each of shape (N, ...), with the same N here, which may differ between processes and be 0.
        """
        if self.size == 1:
            return tensors
        sizes = [torch.empty(1, dtype=torch.int64) for _ in range(self.size)]
        with answered():
            dist.all_gather(sizes, torch.tensor([len(tensors[0])]))
            return tuple(self._rows_of_all(rows, [int(size) for size in sizes]) for rows in tensors)

    def all_reduce_max(self, *numbers: float) -> tuple[float, ...]:
        """The largest that any process gives, for each of the numbers."""
        if self.size == 1:
            return numbers
        values = torch.tensor(numbers, dtype=torch.float64)
        with answered():
            dist.all_reduce(values, dist.ReduceOp.MAX)
        return tuple(values.tolist())

    def from_main(self, content: bytes) -> bytes:
        """What process 0 gives; what the others give does not matter."""
        if self.size == 1:
            return content
        length = torch.tensor([len(content)])
        with answered():
            dist.broadcast(length, src=0)
            values = torch.empty(int(length), dtype=torch.uint8)
            if self.is_main:
                values = torch.frombuffer(bytearray(content), dtype=torch.uint8)
            dist.broadcast(values, src=0)
        return content if self.is_main else values.numpy().tobytes()

    def _rows_of_all(self, rows: torch.Tensor, sizes: list[int]) -> torch.Tensor:
        padded = rows.new_zeros(max(sizes), *rows.shape[1:])  # gloo wants equal shapes
        padded[: len(rows)] = rows.detach()
        parts = [torch.empty_like(padded) for _ in sizes]
        dist.all_gather(parts, padded)
        pieces = [part[:size] for part, size in zip(parts, sizes, strict=True)]
        pieces[self.rank] = rows
        return torch.cat(pieces)

    def wait(self) -> None:
        """Go on when all processes have come here."""
        self.all_reduce_max(0.0)


ALONE = World()
"""A run of one process."""


@contextlib.contextmanager
def open_world(device: str) -> Iterator[World]:
    """The processes of this run, connected for as long as the block lasts.

    Args:
        device: the device that the user asks for.

    Raises:
        ConfigError: variables of torchrun that contradict each other, or a device that is not to be had.
        TrainingError: the other processes do not answer.
    """
    world = World.from_environment()
    if world.size == 1:
        yield world
        return
    gpu = world.device_name(device).startswith("cuda")
    if gpu:
        torch.cuda.set_device(world.local_rank)
    with answered():
        world = replace(world, restarts=max(world.restarts, _earlier_starts(world)))
        store = PrefixStore(meet(common_store(), world.rank, world.size), common_store())
        # gloo beside NCCL: what is said about the run stays on the CPU and waits for no GPU
        backends = "cpu:gloo,cuda:nccl" if gpu else "gloo"
        dist.init_process_group(backends, store=store, rank=world.rank, world_size=world.size, timeout=TIMEOUT)
    notices = logging.getLogger("linearityiqa")
    level = notices.level
    if not world.is_main:
        notices.setLevel(logging.ERROR)  # process 0 says it
    completed = False
    try:
        yield world
        world.wait()
        completed = True
    finally:
        notices.setLevel(level)
        # DistributedDataParallel refers to itself in a circle; the threads of a group that it keeps alive beyond this
        # place would end while Python shuts down, where they may abort the process
        gc.collect()
        if completed or not gpu:  # after a failure NCCL would wait for processes that are gone
            dist.destroy_process_group()


@functools.cache
def _earlier_starts(world: World) -> int:
    """Starts that process 0 finds in the store: torchrun does not count those for another machine's sake."""
    return common_store().add("starts of process 0", int(world.is_main)) - 1


@contextlib.contextmanager
def answered() -> Iterator[None]:
    """Failures to reach the other processes as one sentence."""
    try:
        yield
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as cause:  # what gloo and NCCL raise
        raise TrainingError(
            "another process of this run has ended or does not answer; its own message says why. The same command "
            "goes on from the last saved state."
        ) from cause
