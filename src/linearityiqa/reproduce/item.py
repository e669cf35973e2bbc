"""Items of the paper: the results that each needs, and a pure function that draws it from them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from linearityiqa.errors import DataError
from linearityiqa.evaluation import Predictions
from linearityiqa.mapping import LinearMapping
from linearityiqa.metrics import Agreement, Interval, agreement
from linearityiqa.quality import QualityScores
from linearityiqa.reporting import Table
from linearityiqa.reproduce.paper import LOSS_NAMES, Comparison, Run, Scale
from linearityiqa.run_folders import BhatLog, Curve

if TYPE_CHECKING:
    from matplotlib.figure import Figure


RESAMPLES = 1000
"""Resamples of an interval."""


@dataclass(frozen=True, eq=False)
class PredictionsSet:
    """A model's predictions on one set of images, and its lines from raw score to MOS."""

    predictions: Predictions
    mapping: QualityScores[LinearMapping]

    @property
    def mos(self) -> NDArray[np.float64]:
        """Mean opinion scores, shape (N,)."""
        return self.predictions.mos

    @cached_property
    def predicted(self) -> NDArray[np.float64]:
        """Scores of the fused head on the scale of the MOS, shape (N,)."""
        return self.predictions.mapped(self.mapping).fused

    @cached_property
    def agreement(self) -> Agreement:
        """SROCC, PLCC, KROCC and RMSE of the fused head."""
        return agreement(self.predicted, self.mos)

    @cached_property
    def intervals(self) -> Mapping[str, Interval | None]:
        """95 % bootstrap interval of each of these figures, None where there is none."""
        return agreement(self.predicted, self.mos, resamples=RESAMPLES).intervals


SplitOfCurve = Literal["train", "val", "test"]


@dataclass(frozen=True)
class CurveNeed:
    """A metric of a run by epoch. `published` is its file in the authors' layout, where they have one."""

    run: Run
    split: SplitOfCurve
    metric: str
    published: str | None = None

    def __str__(self) -> str:
        return f"{self.split} {self.metric} by epoch ({self.run})"


@dataclass(frozen=True)
class PredictionsNeed:
    """Predictions of a run's best model: on the test set of the database it was trained on, or on all of another."""

    run: Run
    database: str
    published: str | None = None

    def __str__(self) -> str:
        return f"predictions on {self.database} ({self.run})"


@dataclass(frozen=True)
class BhatNeed:
    """The log of b of a run."""

    run: Run
    published: str | None = None

    def __str__(self) -> str:
        return f"log of b ({self.run})"


Need = CurveNeed | PredictionsNeed | BhatNeed


def curve_need(scale: Scale, run: Run, split: SplitOfCurve, metric: str) -> CurveNeed:
    """Return the need of a metric by epoch, with the authors' file for the runs of which they published them."""
    published = run == scale.base_run(loss_type=run.loss_type)
    file = f"csv/loss={run.loss_type}-{split}_{scale.training_set}_{metric}.csv"
    return CurveNeed(run, split, metric, file if published else None)


def predictions_need(scale: Scale, run: Run, database: str) -> PredictionsNeed:
    """Return the need of predictions, with the authors' file for the runs of which they published them."""
    published = run == scale.base_run(loss_type=run.loss_type)
    return PredictionsNeed(run, database, f"npy/{database}-{LOSS_NAMES[run.loss_type]}.npy" if published else None)


def both_databases(scale: Scale, runs: Iterable[Run]) -> tuple[PredictionsNeed, ...]:
    """Return the needs of each run on its own database and on the other one."""
    databases = (scale.training_set, scale.other_set)
    return tuple(predictions_need(scale, run, database) for run in runs for database in databases)


class Source(Protocol):
    """Source of results: the authors' layout, or run folders. What it lacks is a DataError of one sentence."""

    def curve(self, need: CurveNeed) -> Curve:
        """Return the curve that is needed."""

    def predictions(self, need: PredictionsNeed) -> PredictionsSet:
        """Return the predictions that are needed."""

    def bhat(self, need: BhatNeed) -> BhatLog:
        """Return the log that is needed."""


@dataclass(frozen=True, eq=False)
class Gathered:
    """Results of a source by need, and a sentence for each need that it could not meet."""

    curves: Mapping[CurveNeed, Curve] = field(default_factory=dict)
    predictions: Mapping[PredictionsNeed, PredictionsSet] = field(default_factory=dict)
    bhat: Mapping[BhatNeed, BhatLog] = field(default_factory=dict)
    problems: Mapping[Need, str] = field(default_factory=dict)

    def only(self, needs: Sequence[Need]) -> "Gathered":
        """Return the results of some needs, in their order."""
        every: tuple[Mapping[Any, Any], ...] = (self.curves, self.predictions, self.bhat, self.problems)
        parts: list[dict[Any, Any]] = [{need: part[need] for need in needs if need in part} for part in every]
        return Gathered(*parts)

    def figure(self, need: PredictionsNeed, metric: str) -> float | None:
        """Return SROCC, PLCC, KROCC or RMSE of the predictions, or None where they are missing."""
        found = self.predictions.get(need)
        return found.agreement.as_dict()[metric] if found else None


def figure_rows(results: Gathered, needs: Iterable[PredictionsNeed]) -> list[dict[str, Any]]:
    """Return the agreement of each run that is there, as plain values for JSON."""
    return [
        {
            "options": need.run.options(),
            "architecture": need.run.architecture,
            "loss": need.run.loss_type,
            "database": need.database,
            "n": found.agreement.n,
            **found.agreement.as_dict(),
        }
        for need in needs
        if (found := results.predictions.get(need)) is not None
    ]


class Picture(NamedTuple):
    """A figure and what it shows, in words."""

    figure: "Figure"
    caption: str


@dataclass(frozen=True, eq=False)
class Drawn:
    """A drawn item: every number as plain values for JSON, and pictures and tables by file name."""

    numbers: dict[str, Any]
    pictures: Mapping[str, Picture] = field(default_factory=dict)
    tables: Mapping[str, Table] = field(default_factory=dict)
    sentences: tuple[str, ...] = ()
    """Remarks: speed-ups, runs that diverged, results that are missing."""
    comparisons: tuple[Comparison, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Item:
    """A figure or table of the paper, or one beyond it."""

    name: str
    title: str
    needs: Callable[[Scale], tuple[Need, ...]]
    """The results it is drawn from, which also say which runs it takes."""
    draw: Callable[[Gathered, Scale], Drawn]
    """Pure function from those results to pictures, tables and numbers."""
    partial: bool = False
    """Whether it is drawn where some results are missing, with empty cells."""
    test_during_training: bool = False
    log_bhat: bool = False

    def runs(self, scale: Scale) -> tuple[Run, ...]:
        """Return the training runs of the item, each once, in the order of its needs."""
        return tuple(dict.fromkeys(need.run for need in self.needs(scale)))


def needs_of(items: Iterable[Item], scale: Scale) -> tuple[Need, ...]:
    """Return the needs of several items, each once."""
    return tuple(dict.fromkeys(need for item in items for need in item.needs(scale)))


def gather(needs: Iterable[Need], source: Source) -> Gathered:
    """Fetch what a source has of the needs; what it lacks is kept as sentences."""
    curves: dict[CurveNeed, Curve] = {}
    predictions: dict[PredictionsNeed, PredictionsSet] = {}
    bhat: dict[BhatNeed, BhatLog] = {}
    problems: dict[Need, str] = {}
    for need in needs:
        try:
            match need:
                case CurveNeed():
                    curves[need] = source.curve(need)
                case PredictionsNeed():
                    predictions[need] = _finite(source.predictions(need), need)
                case BhatNeed():
                    bhat[need] = source.bhat(need)
        except DataError as problem:
            problems[need] = str(problem)
    return Gathered(curves, predictions, bhat, problems)


def draw_item(item: Item, results: Gathered, scale: Scale) -> Drawn:
    """Draw an item from gathered results (which may hold more than it needs).

    Raises:
        DataError: results that the item cannot do without are missing or damaged; the sentence names them.
    """
    needs = item.needs(scale)
    own = results.only(needs)
    missing = _problem_sentence(own, len(needs))
    if missing and (not item.partial or len(own.problems) == len(needs)):
        raise DataError(f"{item.name}: {missing}")
    drawn = item.draw(own, scale)
    return replace(drawn, sentences=(*drawn.sentences, missing)) if missing else drawn


def draw_items(items: Iterable[Item], source: Source, scale: Scale) -> tuple[dict[Item, Drawn], dict[Item, str]]:
    """Draw several items from one fetch of their results; return those drawn, and a sentence for each that failed."""
    items = tuple(items)
    results = gather(needs_of(items, scale), source)
    drawn: dict[Item, Drawn] = {}
    failures: dict[Item, str] = {}
    for item in items:
        try:
            drawn[item] = draw_item(item, results, scale)
        except DataError as problem:
            failures[item] = str(problem)
    return drawn, failures


def _finite(found: PredictionsSet, need: PredictionsNeed) -> PredictionsSet:
    """Refuse predictions that no agreement can be computed of: a diverged model's would fail the whole item."""
    if len(found.mos) < 2 or not (np.isfinite(found.predicted).all() and np.isfinite(found.mos).all()):
        raise DataError(f"{need} are fewer than two, or not all finite: the run diverged.")
    return found


def _problem_sentence(results: Gathered, needed: int) -> str:
    """Say all that is missing in one sentence; the first is quoted, since the others are mostly of its kind."""
    problems = list(dict.fromkeys(results.problems.values()))
    if not problems:
        return ""
    if len(problems) == 1:
        return problems[0]
    return f"{len(results.problems)} of {needed} results are missing or damaged, the first: {problems[0]}"
