"""Cross-validation: one training run on each of several random splits by reference."""

import hashlib
import json
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from linearityiqa.config import CrossvalConfig, TrainConfig, run_folder, run_name, to_dict
from linearityiqa.console import working
from linearityiqa.data.databases.opening import open_database
from linearityiqa.data.databases.table import Database
from linearityiqa.errors import DataError, DivergedError
from linearityiqa.files import write_text
from linearityiqa.training.run import train

logger = logging.getLogger(__name__)

FILE = "crossval.json"
FORMAT = 1
METRICS = ("SROCC", "PLCC", "KROCC", "RMSE")
"""Figures of the fused head that are kept of each split."""
MAX_FILE_BYTES = 10_000_000


@dataclass(frozen=True)
class SplitResult:
    """The result of one split.

    Attributes:
        split: its number, which is the run's --exp_id.
        images: digest of the names of its test images, so that only like is compared with like.
        train_images: how many images were trained on.
        test_images: how many the figures are of.
        figures: SROCC, PLCC, KROCC and RMSE on the test images; None where one is not defined or the run diverged.
        folder: the run folder.
        note: the sentence of a run that diverged.
    """

    split: int
    images: str
    train_images: int
    test_images: int
    figures: Mapping[str, float | None]
    folder: str
    note: str = ""


@dataclass(frozen=True)
class Crossvalidation:
    """The results of one configuration on several splits, as `crossval.json` holds them.

    Attributes:
        name: name of the configuration: that of its run on split 0.
        database: name of the database.
        splits: the results, by the number of the split.
        folder: where `crossval.json` is.
    """

    name: str
    database: str
    splits: tuple[SplitResult, ...]
    folder: Path

    def values(self, metric: str) -> dict[int, float]:
        """A metric by the number of the split, where it is defined."""
        values = {result.split: result.figures.get(metric) for result in self.splits}
        return {split: value for split, value in values.items() if value is not None}

    @property
    def test_over_train(self) -> float:
        """Mean number of test images over the mean number of training images."""
        return sum(r.test_images for r in self.splits) / sum(r.train_images for r in self.splits)


def crossvalidate(config: CrossvalConfig) -> Crossvalidation:
    """Train and test on every split, and write `crossval.json` after each.

    A split that is done is not trained again, and one that was stopped goes on. A database with a split of its own
    is split at random instead.

    Raises:
        LinearityIQAError: what `train` raises, but for a run that diverged, which is noted.
    """
    with working("cross-validation"):
        return _crossvalidate(config)


def _crossvalidate(config: CrossvalConfig) -> Crossvalidation:
    base = _with_random_splits(config.train)
    folder = _folder(config.train)
    results: list[SplitResult] = []
    for split in range(config.splits):
        run = _run_of(base, split, config.train.run.output)
        logger.info("split %d of 0..%d: %s", split, config.splits - 1, run_folder(run))
        results.append(_result_of(run, split))
        done = Crossvalidation(run_name(base), _open(base).name, tuple(results), folder)
        _write(done, config)
    return done


def read_crossvalidation(path: Path) -> Crossvalidation:
    """The results that an earlier `crossvalidate` wrote.

    Args:
        path: its folder, or the `crossval.json` in it.

    Raises:
        DataError: the file is missing, too large, or not of this format.
    """
    file = path / FILE if path.is_dir() else path
    try:
        if file.stat().st_size > MAX_FILE_BYTES:
            raise ValueError("it is too large")
        content = json.loads(file.read_text(encoding="utf-8"))
        if content["format"] != FORMAT:
            raise ValueError("it was written by another version")
        splits = tuple(SplitResult(**result) for result in content["splits"])
        for result in splits:
            _require_figures(result)
        return Crossvalidation(str(content["name"]), str(content["database"]), splits, file.parent)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as cause:
        raise DataError(
            f"cannot read the cross-validation {file}: {cause}. Name the folder that linearityiqa crossval printed."
        ) from cause


def _require_figures(result: SplitResult) -> None:
    counts = (result.split, result.train_images, result.test_images)
    if not all(type(count) is int and count >= 0 for count in counts) or result.train_images == 0:
        raise ValueError("a count is not a whole number")
    if not all(value is None or isinstance(value, int | float) for value in result.figures.values()):
        raise ValueError("a figure is not a number")


def paired_values(ours: Crossvalidation, other: Crossvalidation, metric: str) -> Iterator[tuple[int, float, float]]:
    """(split, our figure, the other's) of every split that both have with the same test images.

    Raises:
        DataError: a split of the same number has other images: there is nothing to pair.
    """
    theirs = {result.split: result for result in other.splits}
    for result in ours.splits:
        twin = theirs.get(result.split)
        if twin is None:
            continue
        if twin.images != result.images:
            raise DataError(
                f"split {result.split} of {other.folder} has other test images: it is of another database, seed or "
                "ratio. Compare cross-validations with the same --dataset, --seed and ratios."
            )
        a, b = result.figures.get(metric), twin.figures.get(metric)
        if a is not None and b is not None:
            yield result.split, a, b


def _with_random_splits(train_config: TrainConfig) -> TrainConfig:
    """The options with `resplit` where every split would else be the same."""
    first, second = (_open(_run_of(train_config, split, None)) for split in (0, 1))
    if train_config.data.resplit or _test_names(first) != _test_names(second):
        return train_config
    logger.info("%s has a split of its own: references are split at random instead", first.name)
    return replace(train_config, data=replace(train_config.data, resplit=True))


def _run_of(base: TrainConfig, split: int, output: Path | None) -> TrainConfig:
    return replace(
        base,
        data=replace(base.data, exp_id=split),
        run=replace(base.run, output=None if output is None else output / f"split-{split}"),
    )


def _folder(base: TrainConfig) -> Path:
    return base.run.output or base.run.log_dir / f"crossval-{run_name(base)}"


def _open(config: TrainConfig) -> Database:
    return open_database(config.data, config.optimiser.seed)


def _test_names(database: Database) -> list[str]:
    part = "test" if len(database.splits["test"]) else "val"
    return sorted(database.split(part).names)  # type: ignore[arg-type]


def _result_of(run: TrainConfig, split: int) -> SplitResult:
    database = _open(run)
    names = _test_names(database)
    figures: dict[str, float | None] = dict.fromkeys(METRICS)
    note = ""
    try:
        results = train(run).results
        found = results["splits"][results["reported_split"]]["fused"]
        figures = {metric: found[metric] for metric in METRICS}
    except DivergedError as end:
        logger.warning("split %d diverged: %s", split, end)
        note = str(end)
    return SplitResult(
        split=split,
        images=hashlib.sha256("\n".join(names).encode("utf-8", "surrogatepass")).hexdigest(),
        train_images=len(database.split("train")),
        test_images=len(names),
        figures=figures,
        folder=str(run_folder(run)),
        note=note,
    )


def _write(done: Crossvalidation, config: CrossvalConfig) -> None:
    content: dict[str, Any] = {
        "format": FORMAT,
        "name": done.name,
        "database": done.database,
        "options": to_dict(config.train),
        "splits": [vars(result) for result in done.splits],
    }
    write_text(done.folder / FILE, json.dumps(content, indent=2) + "\n")
