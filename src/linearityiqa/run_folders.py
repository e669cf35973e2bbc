"""State and configuration of a run, read from its folder. Needs neither torch nor the database."""

import json
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from linearityiqa.config import TestConfig, TrainConfig, from_dict, result_options, run_folder, run_name, runfiles
from linearityiqa.errors import DataError
from linearityiqa.files import sha256_of
from linearityiqa.run_curves import last_epoch

State = Literal["missing", "part done", "done", "diverged", "refused"]
MAX_BYTES = 1 << 20
T = TypeVar("T")


@dataclass(frozen=True)
class Progress:
    """State of a run and, where there is more to say, a few words."""

    state: State
    words: str = ""

    @property
    def is_over(self) -> bool:
        """Whether there is nothing left to do: it is done, or doing it again would end in the same."""
        return self.state in ("done", "diverged")


def training_progress(config: TrainConfig) -> Progress:
    """Return the progress of the training of a run."""
    folder = run_folder(config)
    try:
        if not (folder / runfiles.CONFIG).exists():
            if (folder / runfiles.RESULTS).exists() or (folder / runfiles.STATE).exists():
                raise DataError(f"{folder} holds results, but no {runfiles.CONFIG} that says of which run.{_REMEDY}")
            return Progress("missing")
        _check_options(folder, config)
        if (folder / runfiles.MODEL).exists() and (folder / runfiles.RESULTS).exists():
            _check_results(folder, config)
            return Progress("done")
        if (folder / runfiles.DIVERGED).exists():
            return Progress("diverged", str(read_json(folder / runfiles.DIVERGED).get("message", "")))
        if not (folder / runfiles.STATE).exists():
            return Progress("missing")
        return Progress("part done", f"{last_epoch(folder)} of {config.optimiser.epochs} epochs")
    except DataError as refusal:
        return Progress("refused", str(refusal))


def is_tested(test: TestConfig, run: Path) -> bool:
    """Return whether a test's results are there, and are of the model that the run folder holds now."""
    if test.output is None or not (test.output / runfiles.RESULTS).exists():
        return False
    try:
        found = read_json(test.output / runfiles.RESULTS).get("model_sha256")
    except DataError:
        return False
    return bool(found == sha256_of(run / runfiles.MODEL))


def saved_config(folder: Path) -> TrainConfig:
    """Read the configuration that a run folder holds."""
    path = folder / runfiles.CONFIG
    return _parsed(path, lambda text: from_dict(TrainConfig, tomllib.loads(text), str(path)))


def read_json(path: Path) -> dict[str, Any]:
    """Read the object in a small JSON file."""

    def parse(text: str) -> dict[str, Any]:
        values = json.loads(text)
        if not isinstance(values, dict):
            raise ValueError("it holds no object")
        return values

    return _parsed(path, parse)


_REMEDY = " Train the run again with --fresh, or name another folder with --log_dir."


def _parsed(path: Path, parse: Callable[[str], T]) -> T:
    """Return the value that `parse` makes of a small text file; DataError if it cannot be read or parsed."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ValueError("it is too large")
        return parse(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as cause:
        raise DataError(f"cannot read {path}: {cause}.{_REMEDY}") from cause


def _check_options(folder: Path, config: TrainConfig) -> None:
    difference = differing_option(saved_config(folder), config)
    if difference:
        raise DataError(f"{folder} holds a run of another configuration ({difference}).{_REMEDY}")


def _check_results(folder: Path, config: TrainConfig) -> None:
    found = read_json(folder / runfiles.RESULTS).get("run")
    if found != run_name(config):
        raise DataError(f"{folder / runfiles.RESULTS} is of another run ({found}).{_REMEDY}")


def differing_option(saved: TrainConfig, asked: TrainConfig) -> str:
    """Return the first option with another result in which two configurations differ, in words; empty if none does.

    >>> from linearityiqa.config import OptimiserConfig
    >>> differing_option(TrainConfig(), TrainConfig(optimiser=OptimiserConfig(epochs=3)))
    'its epochs is 30, not 3'
    """
    ours, theirs = result_options(asked), result_options(saved)
    for group in dict.fromkeys((*ours, *theirs)):
        mine, its = ours.get(group, {}), theirs.get(group, {})
        for name in dict.fromkeys((*mine, *its)):
            if name not in mine or name not in its or mine[name] != its[name]:
                was, wanted = (getattr(getattr(config, group), name) for config in (saved, asked))
                return f"its {name} is {was!r}, not {wanted!r}"
    return ""
