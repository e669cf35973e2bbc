"""Options of a reproduction: the chosen items, their scale, and the training run and tests behind each result."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from linearityiqa.config import (
    DataConfig,
    LossConfig,
    ModelConfig,
    ReproduceConfig,
    RunConfig,
    SplitName,
    TestConfig,
    TrainConfig,
    run_folder,
)
from linearityiqa.errors import ConfigError, did_you_mean
from linearityiqa.reproduce.agreement import FIG6, FIG7, TAB1, TAB2, TABA1, TABA2
from linearityiqa.reproduce.arms import SETTINGS
from linearityiqa.reproduce.curves import FIG1, FIG4, FIG5, FIGA1, FIGA2
from linearityiqa.reproduce.item import Item, PredictionsNeed
from linearityiqa.reproduce.job import Job
from linearityiqa.reproduce.losses import LOSSES_OVER_SEEDS
from linearityiqa.reproduce.paper import Run, Scale
from linearityiqa.reproduce.ttest import TTEST

PAPER = Scale()
ALL = "all"
ITEMS: dict[str, Item] = {
    item.name: item for item in (FIG1, FIG4, FIG5, FIG6, FIG7, TAB1, TAB2, FIGA1, FIGA2, TABA1, TABA2, TTEST)
}
"""The twelve items of the paper, by name, in its order."""
FURTHER: dict[str, Item] = {item.name: item for item in (LOSSES_OVER_SEEDS, SETTINGS)}
"""Items that the paper lacks; `all` does not mean them."""


@dataclass(frozen=True)
class Setup:
    """The scale of a reproduction, and what its runs are in terms of `linearityiqa train`."""

    config: ReproduceConfig

    @cached_property
    def scale(self) -> Scale:
        """Databases, backbones and recipe that the items are run with."""
        config = self.config
        training, chosen = database_name(config.dataset), config.backbones
        again = self._other_is_training
        other = database_name(self._other_dataset)
        if other == training:
            other += " (again)" if again else " (other)"
        repeated = database_name(self._other_dataset)
        if repeated != PAPER.repeated_set:  # the only one that certainly has no split
            repeated += " (random splits)"
        return Scale(
            training_set=training,
            other_set=other,
            other_part="the test set" if again else "all",
            repeated_set=repeated,
            base=_preferred(chosen, PAPER.base, -1),
            sweep=_preferred(chosen, PAPER.sweep, -1),
            backbones=tuple(name for name in chosen if name not in PAPER.plain) or chosen or PAPER.backbones,
            plain=tuple(name for name in chosen if name in PAPER.plain) or chosen or PAPER.plain,
            repeated=_preferred(chosen, PAPER.repeated, 0),
            splits=config.splits,
            seeds=tuple(range(config.seed, config.seed + config.seeds)),
            recipe=(config.transform, config.recipe) == (ReproduceConfig().transform, ReproduceConfig().recipe),
        )

    def jobs(self, items: Iterable[Item]) -> tuple[Job, ...]:
        """Return the training runs of some items, each once, in the order in which the items first need them.

        A run logs what any item draws from it, whichever are chosen now: it need never be trained a second time for
        another item.
        """
        names: dict[Run, list[str]] = {}
        tested: set[Run] = set()
        for item in items:
            for run in item.runs(self.scale):
                names.setdefault(run, []).append(item.name)
            needs = [need for need in item.needs(self.scale) if isinstance(need, PredictionsNeed)]
            tested |= {need.run for need in needs if not self.is_own_test(need)}
        known = (*ITEMS.values(), *FURTHER.values())
        followed = {run for item in known if item.test_during_training for run in item.runs(self.scale)}
        with_bhat = {run for item in known if item.log_bhat for run in item.runs(self.scale)}
        jobs = []
        for run, its_items in names.items():
            config = self.train_config(run)
            logged = replace(config.run, test_during_training=run in followed, log_bhat=run in with_bhat)
            tests = (self.test_config(run),) if run in tested else ()
            jobs.append(Job(run, replace(config, run=logged), tests, tuple(its_items)))
        return tuple(jobs)

    def train_config(self, run: Run) -> TrainConfig:
        """Return the training of a run, without what it logs."""
        return TrainConfig(
            loss=LossConfig(loss_type=run.loss_type, p=run.p, q=run.q, alpha=run.alpha),
            model=ModelConfig(architecture=run.architecture, use_bn_end=run.use_bn_end),
            data=replace(self._database(run.dataset), exp_id=run.exp_id),
            transform=self.config.transform,
            optimiser=replace(
                self.config.recipe,
                optimizer=run.optimizer,
                learning_rate=run.learning_rate,
                batch_size=run.batch_size,
                ft_lr_ratio=run.ft_lr_ratio,
                label_scale=run.label_scale,
                seed=run.seed,
            ),
            device=self.config.device,
            run=RunConfig(log_dir=self.config.log_dir, pbar=self.config.pbar),
        )

    def folder(self, run: Run) -> Path:
        """Return the folder of a run."""
        return run_folder(self.train_config(run))

    def is_own_test(self, need: PredictionsNeed) -> bool:
        """Return whether predictions are of the test set of the database that their run was trained on."""
        return need.database == need.run.dataset or self._other_is_training

    def test_config(self, run: Run) -> TestConfig:
        """Return the test of a run's model on all of the second database, in a folder inside the run's."""
        split: SplitName = "all"
        training = self.train_config(run)
        data = self._database(self.scale.other_set)
        return TestConfig(
            split=split,
            output=self.folder(run) / f"test-{database_name(data.dataset)}-{split}",
            data=data,
            optimiser=training.optimiser,
            device=self.config.device,
            pbar=self.config.pbar,
        )

    @property
    def _other_dataset(self) -> str:
        if self.config.test_dataset is not None:
            return self.config.test_dataset
        return PAPER.other_set if self.config.dataset == PAPER.training_set else self.config.dataset

    @property
    def _other_is_training(self) -> bool:
        """Whether there is no second database, so that the first one's test set takes its place."""
        return self._other_dataset == self.config.dataset

    def _database(self, name: str) -> DataConfig:
        """Return the options of the database that the scale calls `name`."""
        config = self.config
        training = DataConfig(dataset=config.dataset, image_dir=config.image_dir)
        if name == self.scale.training_set:
            return training
        other = DataConfig(dataset=self._other_dataset, image_dir=config.test_image_dir)
        found = training if self._other_is_training else other
        # its own split, where it has one, would make all repetitions the same
        return replace(found, resplit=name == self.scale.repeated_set != database_name(found.dataset))


def database_name(dataset: str) -> str:
    """Name of a database in figures, tables and file names: a known one's own name, a CSV's folder and file.

    >>> database_name("CLIVE"), database_name("data/my photos/labels.csv")
    ('CLIVE', 'my_photos-labels')
    """
    path = Path(dataset)
    return re.sub(r"[^A-Za-z0-9_.+-]+", "_", "-".join(part for part in (path.parent.name, path.stem) if part))


def chosen_items(names: Iterable[str]) -> tuple[Item, ...]:
    """Return the items that a command line names, each once, in any case; `all` means the paper's twelve."""
    names_known = (*ITEMS, *FURTHER, ALL)
    by_name = {name.lower(): item for name, item in (ITEMS | FURTHER).items()}
    known = f"known: {', '.join(names_known)}"
    words = [name.lower() for name in names]
    if not words:
        raise ConfigError(f"name the figures or tables to reproduce; {known}")
    for name in words:
        if name not in by_name and name != ALL:
            raise ConfigError(f"there is no item {name!r}{did_you_mean(name, names_known)}; {known}")
    of_the_paper = ITEMS.values() if ALL in words else ()
    return tuple(item for name, item in by_name.items() if item in of_the_paper or name in words)


def _preferred(chosen: tuple[str, ...], usual: str, otherwise: int) -> str:
    """Return the paper's backbone where it may be used, else one of those that may."""
    return usual if not chosen or usual in chosen else chosen[otherwise]
