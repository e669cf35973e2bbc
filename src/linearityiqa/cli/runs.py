"""`linearityiqa runs`: the runs in a folder, with state and results."""

import json
import math
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from linearityiqa.config import RunConfig, RunsConfig, TrainConfig, runfiles
from linearityiqa.console import say
from linearityiqa.errors import DataError
from linearityiqa.files import try_lock
from linearityiqa.metrics.comparison import best_position
from linearityiqa.quality import PAPER_FIGURES
from linearityiqa.reporting import Cell, Table
from linearityiqa.run_folders import last_epoch, read_curves, read_json, saved_config

DEPTH = 4
"""Levels of folders that are searched for runs, the named one included."""


def runs(config: RunsConfig) -> int:
    """Find the runs in folders, and print a row for each."""
    folders = config.folders or (RunConfig.log_dir,)
    found = [describe(folder) for folder in run_folders(folders)]
    if config.json:
        say(json.dumps(found))
    elif found:
        print(runs_table(found).to_text())
        for run in found:
            if "note" in run:
                say(f"{run['folder']}: {run['note']}")
    else:
        say(f"no run in {', '.join(map(str, folders))}")
    return 0


def run_folders(folders: Iterable[Path]) -> list[Path]:
    """Find the run folders in folders, the one that changed last at the end."""
    found: dict[Path, float] = {}
    for folder in folders:
        if not folder.is_dir():
            raise DataError(f"there is no folder {folder}. Name the one that holds the runs: linearityiqa runs FOLDER")
        for level in range(DEPTH):
            for config in folder.glob("*/" * level + runfiles.CONFIG):
                files = (config.parent / name for name in (runfiles.CONFIG, *runfiles.LASTING, runfiles.METRICS))
                found[config.parent] = max(file.stat().st_mtime for file in files if file.exists())
    return sorted(found, key=lambda run: (found[run], run))


def describe(folder: Path) -> dict[str, Any]:
    """Describe a run in plain values; `state` is finished, running, stopped, diverged or unreadable."""
    known: dict[str, Any] = {"folder": str(folder)}
    try:
        config = saved_config(folder)
        known |= {
            "database": " + ".join(Path(name).stem for name in (config.data.dataset, *config.data.more_datasets)),
            "network": config.model.architecture,
            "loss": config.loss.loss_type,
            "epoch": last_epoch(folder),
            "epochs": config.optimiser.epochs,
        }
        if is_held(folder):
            return {**known, "state": "running", **_best_so_far(folder, config)}
        if (folder / runfiles.MODEL).exists() and (folder / runfiles.RESULTS).exists():
            return {**known, "state": "finished", **_results(read_json(folder / runfiles.RESULTS))}
        state = "diverged" if (folder / runfiles.DIVERGED).exists() else "stopped"
        return {**known, "state": state, **_best_so_far(folder, config)}
    except DataError as cause:
        return {**known, "state": "unreadable", "note": str(cause)}


def is_held(folder: Path) -> bool:
    """Return whether a process is training in a run folder."""
    try:
        descriptor = os.open(folder / runfiles.LOCK, os.O_RDONLY)
    except OSError:
        return False
    try:
        return try_lock(descriptor) is False
    finally:
        os.close(descriptor)


def _results(results: dict[str, Any]) -> dict[str, Any]:
    """Return the figures of a finished run."""
    try:
        split = results["reported_split"]
        fused = results["splits"][split]["fused"]
        return {"best_epoch": results["epoch"], "split": split, **{name: fused[name] for name in PAPER_FIGURES}}
    except (LookupError, TypeError) as cause:
        raise DataError(f"{runfiles.RESULTS} lacks {cause}") from cause


def _best_so_far(folder: Path, config: TrainConfig) -> dict[str, Any]:
    """Return the validation figures of the best epoch so far; empty before the first epoch has ended."""
    if not (folder / runfiles.METRICS).exists():
        return {}
    curves = read_curves(folder).get("val", {})
    criterion = config.optimiser.val_criterion
    values = curves.get(runfiles.metrics_column(config.loss.judged_head, criterion))
    if not values:
        return {}
    best = best_position(criterion, values)
    figures = {name: values[best] for name, values in curves.items() if name in PAPER_FIGURES}
    return {
        "best_epoch": best + 1,
        "split": "val",
        **{name: value if math.isfinite(value) else None for name, value in figures.items()},
    }


def runs_table(runs: Sequence[dict[str, Any]]) -> Table:
    """Return a table with a row for each run; the folder, which may be long, comes last."""
    rows: list[list[Cell]] = []
    for run in runs:
        state = run["state"]
        if state in ("running", "stopped", "diverged"):
            state += f" after epoch {run['epoch']} of {run['epochs']}"
        columns = ("database", "network", "best_epoch", "split", *PAPER_FIGURES, "folder")
        rows.append([state, *(run.get(column) for column in columns)])
    return Table("Runs", ["state", "database", "network", "best", "split", *PAPER_FIGURES, "folder"], rows)
