"""Oracle: processes that live now agree on one name, whatever those before them have left."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import torch.distributed as dist

from linearityiqa.errors import TrainingError
from linearityiqa.training import rendezvous
from linearityiqa.training.rendezvous import meet


def names(store: dist.Store, late: int | None = None) -> set[str]:
    """The names that three processes get, of which one comes late."""

    def come(rank: int) -> str:
        time.sleep(0.4 if rank == late else 0)
        return meet(store, rank, 3)

    with ThreadPoolExecutor(3) as pool:
        return set(pool.map(come, range(3)))


@pytest.mark.parametrize("late", [None, 0, 2])
def test_all_agree_on_a_name_that_is_new_each_time(late: int | None) -> None:
    store = dist.HashStore()
    first = names(store)
    again = names(store, late)
    assert len(first) == len(again) == 1
    assert first != again


def test_the_dead_are_not_waited_for_and_the_missing_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    store = dist.HashStore()
    names(store)
    monkeypatch.setattr(rendezvous, "TIMEOUT", timedelta(seconds=0.3))
    with pytest.raises(TrainingError, match="some have not come"):
        meet(store, 0, 3)
