"""Items of the paper: the results that each needs, and a pure function that draws it from them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

import numpy as np

from linearityiqa.errors import DataError
from linearityiqa.metrics import Agreement
from linearityiqa.reporting import Table
from linearityiqa.reproduce.paper import PAPER, Run, Scale
from linearityiqa.reproduce.run_data import PredictionsSet
from linearityiqa.run_curves import BhatLog, Curve

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Comparison:
    """A number that was computed, of our runs or of the authors' files, and the published one.

    Attributes:
        quantity: what both are.
        computed: the value from the runs or files.
        published: the published value, as printed.
        source: where in the paper it is published.
        interval: bootstrap interval of the computed value over the test images, or None where there is none.
    """

    quantity: str
    computed: float
    published: float
    source: str
    interval: tuple[float, float] | None = None

    @property
    def difference(self) -> float:
        """Computed minus published."""
        return self.computed - self.published

    @property
    def inside(self) -> bool | None:
        """Whether the published value lies in the interval; None where there is no interval."""
        return None if self.interval is None else self.interval[0] <= self.published <= self.interval[1]

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "quantity": self.quantity,
            "computed": self.computed,
            "published": self.published,
            "difference": self.difference,
            "interval": list(self.interval) if self.interval else None,
            "published_inside_interval": self.inside,
            "source": f"{PAPER}, {self.source}",
        }


def comparison_table(comparisons: Sequence[Comparison]) -> Table:
    """Return all comparisons as one table."""
    verdict = {True: "yes", False: "no", None: None}
    rows = [
        [
            one.quantity,
            one.computed,
            f"{one.published:g}",
            f"{one.difference:+.4f}",
            f"{one.interval[0]:.4f}\N{NO-BREAK SPACE}..\N{NO-BREAK SPACE}{one.interval[1]:.4f}"
            if one.interval
            else None,
            verdict[one.inside],
            one.source,
        ]
        for one in comparisons
    ]
    columns = ["Quantity", "Computed", "Published", "Difference", "95 % interval", "Published inside", "Source"]
    return Table(f"Computed beside the published numbers ({PAPER})", columns, rows)


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

        def restricted(found: Mapping[Any, Any]) -> dict[Any, Any]:
            return {need: found[need] for need in needs if need in found}

        return Gathered(
            restricted(self.curves), restricted(self.predictions), restricted(self.bhat), restricted(self.problems)
        )

    def agreement(self, need: PredictionsNeed) -> Agreement | None:
        """Return the agreement of the predictions with MOS, or None where they are missing."""
        found = self.predictions.get(need)
        return found.agreement if found else None

    def figure(self, need: PredictionsNeed, metric: str) -> float | None:
        """Return SROCC, PLCC, KROCC or RMSE of the predictions, or None where they are missing."""
        agreement = self.agreement(need)
        return agreement.as_dict()[metric] if agreement else None


class Picture(NamedTuple):
    """A figure and what it shows, in words."""

    figure: "Figure"
    caption: str


@dataclass(frozen=True, eq=False)
class Drawn:
    """An item that is drawn.

    Attributes:
        pictures: figures by file name.
        tables: tables by file name.
        numbers: every number in them, as plain values for JSON.
        sentences: what a reader must know besides: speed-ups, runs that diverged, results that are missing.
        comparisons: computed numbers and the published ones.
    """

    numbers: dict[str, Any]
    pictures: Mapping[str, Picture] = field(default_factory=dict)
    tables: Mapping[str, Table] = field(default_factory=dict)
    sentences: tuple[str, ...] = ()
    comparisons: tuple[Comparison, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Item:
    """A figure or table of the paper, or one beyond it.

    Attributes:
        name: what the command line calls it.
        title: what it shows.
        needs: the results it is drawn from, at a scale; they also say which runs it takes.
        draw: pure function from those results to pictures, tables and numbers.
        partial: whether it is drawn when some results are missing (empty cells), or only when all are there.
        test_during_training: whether its runs are tested after every epoch.
        log_bhat: whether its runs log b.
    """

    name: str
    title: str
    needs: Callable[[Scale], tuple[Need, ...]]
    draw: Callable[[Gathered, Scale], Drawn]
    partial: bool = False
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
