"""How the processes of a run find each other, also when torchrun has started them again."""

import functools
import time
import uuid
from datetime import timedelta

from torch.distributed.distributed_c10d import PrefixStore, Store
from torch.distributed.rendezvous import rendezvous

from linearityiqa.errors import TrainingError

TIMEOUT = timedelta(minutes=30)
"""After so long without an answer from another process the run is given up."""
SECONDS_BETWEEN_LOOKS = 0.05


@functools.cache
def common_store() -> Store:
    """The store that torchrun, or process 0, keeps for all; kept for as long as this process lives."""
    store: Store
    store, _, _ = next(rendezvous("env://", timeout=TIMEOUT))
    return PrefixStore("linearityiqa", store)


def meet(store: Store, rank: int, size: int) -> str:
    """A name that the processes which live now agree on, and no earlier ones had.

    torchrun may hand processes that it has restarted the store of those before them (torch 2.15 does), in which they
    would find the addresses of the dead and wait for ever; and torchrun on another machine may count other restarts.
    Therefore each process leaves a word that is new, process 0 proposes a name made of the words it finds, and a name
    is taken when all whose words are in it have agreed, which the dead do not.

    Args:
        store: what all processes read and write.
        rank: number of this process.
        size: number of processes.

    Raises:
        TrainingError: some do not come.
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
        time.sleep(SECONDS_BETWEEN_LOOKS)
    raise TrainingError(f"of the {size} processes of this run some have not come. Start all of them again.")
