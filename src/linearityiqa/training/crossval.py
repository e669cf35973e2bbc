"""Cross-validation: one training run on each of several random splits by reference."""

import hashlib
import json
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from linearityiqa.config import CrossvalConfig, TrainConfig, run_folder, run_name, to_dict
from linearityiqa.data.databases.opening import open_database
from linearityiqa.data.databases.table import Database
from linearityiqa.errors import DataError, DivergedError
from linearityiqa.files import write_text
from linearityiqa.quality import FIGURES
from linearityiqa.training.run import train

logger = logging.getLogger(__name__)

FILE = "crossval.json"
FORMAT = 1
MAX_FILE_BYTES = 10_000_000


@dataclass(frozen=True)
class SplitResult:
    """The result of one split, as `crossval.json` holds it."""

    split: int  # the run's --exp_id
    images: str  # digest of the names of the test images: only equal ones are compared
    train_images: int
    test_images: int
    figures: Mapping[str, float | None]  # on the test images; None where one is not defined or the run diverged
    folder: str
    note: str = ""  # the error message of a run that diverged


@dataclass(frozen=True)
class Crossvalidation:
    """The results of one configuration on several splits, in the order of the splits."""

    name: str  # of the configuration's run on split 0
    database: str
    splits: tuple[SplitResult, ...]
    folder: Path

    def values(self, metric: str) -> dict[int, float]:
        """Return a metric by the number of the split, where it is defined."""
        values = {result.split: result.figures.get(metric) for result in self.splits}
        return {split: value for split, value in values.items() if value is not None}

    @property
    def test_over_train(self) -> float:
        """Mean number of test images over the mean number of training images."""
        return sum(r.test_images for r in self.splits) / sum(r.train_images for r in self.splits)


def crossvalidate(config: CrossvalConfig) -> Crossvalidation:
    """Train and test on every split, and write `crossval.json` after each.

    A split that is done is not trained again, and one that was stopped is resumed; other splits in `crossval.json` are
    kept. A database with its own split is split at random instead. A run that diverges is noted in its result.
    """
    base = _with_random_splits(config.train)
    folder = config.train.run.output or config.train.run.log_dir / f"crossval-{run_name(config.train)}"
    name = run_name(base)
    kept = {} if base.run.fresh else _results_so_far(folder, name)
    results: list[SplitResult] = []
    for split in range(config.splits):
        run = _run_of(base, split)
        logger.info("split %d of 0..%d: %s", split, config.splits - 1, run_folder(run))
        database = open_database(run.data, run.optimiser.seed)
        results.append(_result_of(run, database))
        kept[split] = results[-1]
        content = {
            "format": FORMAT,
            "name": name,
            "database": database.name,
            "options": to_dict(config.train),
            "splits": [vars(kept[split]) for split in sorted(kept)],
        }
        write_text(folder / FILE, json.dumps(content, indent=2) + "\n")
    return Crossvalidation(name, database.name, tuple(results), folder)


def read_crossvalidation(path: Path) -> Crossvalidation:
    """Read the results of an earlier `crossvalidate` from its folder, or from the `crossval.json` in it."""
    file = path / FILE if path.is_dir() else path
    try:
        if file.stat().st_size > MAX_FILE_BYTES:
            raise ValueError("it is too large")
        content = json.loads(file.read_text(encoding="utf-8"))
        if content["format"] != FORMAT:
            raise ValueError("it was written by another version")
        splits = tuple(SplitResult(**result) for result in content["splits"])
        for result in splits:
            counts = (result.split, result.train_images, result.test_images)
            if not all(type(count) is int and count >= 0 for count in counts) or result.train_images == 0:
                raise ValueError("a count is not a whole number")
            if not all(value is None or isinstance(value, int | float) for value in result.figures.values()):
                raise ValueError("a figure is not a number")
        return Crossvalidation(str(content["name"]), str(content["database"]), splits, file.parent)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as cause:
        raise DataError(
            f"cannot read the cross-validation {file}: {cause}. Name the folder that linearityiqa crossval printed."
        ) from cause


def paired_values(ours: Crossvalidation, other: Crossvalidation, metric: str) -> Iterator[tuple[int, float, float]]:
    """Yield (split, our figure, the other's) for every split that both have with the same test images."""
    theirs = {result.split: result for result in other.splits}
    for result in ours.splits:
        if (twin := theirs.get(result.split)) is None:
            continue
        if twin.images != result.images:
            raise DataError(
                f"split {result.split} of {other.folder} has other test images: it is of another database, seed or "
                "ratio. Compare cross-validations with the same --dataset, --seed and ratios."
            )
        a, b = result.figures.get(metric), twin.figures.get(metric)
        if a is not None and b is not None:
            yield result.split, a, b


def _with_random_splits(base: TrainConfig) -> TrainConfig:
    """Return the options with `resplit` if all splits would be the same without it."""
    runs = (_run_of(base, split) for split in (0, 1))
    first, second = (open_database(run.data, run.optimiser.seed) for run in runs)
    if base.data.resplit or _test_names(first) != _test_names(second):
        return base
    logger.info("%s has its own split: references are split at random instead", first.name)
    return replace(base, data=replace(base.data, resplit=True))


def _results_so_far(folder: Path, name: str) -> dict[int, SplitResult]:
    """Return the results of an earlier call by split; a damaged file is made anew from the runs."""
    try:
        earlier = read_crossvalidation(folder)
    except DataError:
        return {}
    return {result.split: result for result in earlier.splits} if earlier.name == name else {}


def _run_of(base: TrainConfig, split: int) -> TrainConfig:
    output = None if base.run.output is None else base.run.output / f"split-{split}"
    return replace(base, data=replace(base.data, exp_id=split), run=replace(base.run, output=output))


def _test_names(database: Database) -> list[str]:
    return sorted(database.split("test" if len(database.splits["test"]) else "val").names)


def _result_of(run: TrainConfig, database: Database) -> SplitResult:
    names = _test_names(database)
    figures: dict[str, float | None] = dict.fromkeys(FIGURES)
    note = ""
    try:
        results = train(run).results
        found = results["splits"][results["reported_split"]]["fused"]
        figures = {metric: found[metric] for metric in FIGURES}
    except DivergedError as end:
        logger.warning("split %d diverged: %s", run.data.exp_id, end)
        note = str(end)
    return SplitResult(
        split=run.data.exp_id,
        images=hashlib.sha256("\n".join(names).encode("utf-8", "surrogatepass")).hexdigest(),
        train_images=len(database.split("train")),
        test_images=len(names),
        figures=figures,
        folder=str(run_folder(run)),
        note=note,
    )
