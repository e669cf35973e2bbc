"""Reproductions of a few seconds: one tiny backbone, the `photo_database`, two epochs."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from linearityiqa.config import DeviceConfig, ReproduceConfig
from small_runs import SMALL_BACKBONE


def small_reproduction(labels: Path, folder: Path, *items: str, **options: Any) -> ReproduceConfig:
    """Options of a reproduction that writes everything below `folder`."""
    settings: dict[str, Any] = {
        "output": folder / "reproduced",
        "log_dir": folder / "runs",
        "dataset": str(labels),
        "backbones": (SMALL_BACKBONE,),
        "splits": 2,
        "size": "48x64",
        "epochs": 2,
        "weights": "none",
        "device": DeviceConfig(device="cpu", num_workers=0),
    }
    return ReproduceConfig(items=items, **(settings | options))


def numbers(folder: Path) -> dict[str, Any]:
    """The content of every JSON file of numbers in a folder."""
    return {path.name: json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))}


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """One thread of arithmetic in this process: sums in another order are other bits."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
