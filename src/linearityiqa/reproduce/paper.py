"""The paper's training runs and its published numbers, as data.

The paper: Li, Jiang, Jiang, "Norm-in-Norm Loss with Faster Convergence and Better Performance for Image Quality
Assessment", ACM Multimedia 2020, doi 10.1145/3394171.3413804.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

from linearityiqa.config import LabelScale, LossType, OptimiserConfig, OptimizerName
from linearityiqa.metrics import Interval
from linearityiqa.quality import MAIN_FIGURES, PAPER_FIGURES
from linearityiqa.reporting import Table

LOSSES: tuple[LossType, ...] = ("mae", "mse", "norm-in-norm")
"""The losses that the paper compares, in its order."""
LOSS_NAMES: dict[LossType, str] = {"mae": "MAE", "mse": "MSE", "norm-in-norm": "Norm-in-Norm"}
"""Their names in the paper."""
LOSS_STYLES = {"norm-in-norm": 0, "mse": 1, "mae": 2}
"""Number of each loss's colour, the same in every figure."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """One training run: the options in which the paper's runs differ, named as on the command line.

    All else is the base run's: `--resize` and the defaults. Options of logging are not part of a run: they change no
    result, and a run that several items share is trained once.
    """

    dataset: str = "KonIQ-10k"
    architecture: str = "resnext101_32x8d"
    loss_type: LossType = "norm-in-norm"
    p: float = 1.0
    q: float = 2.0
    alpha: tuple[float, float] = (1.0, 0.0)
    use_bn_end: bool = False
    optimizer: OptimizerName = "adam"
    learning_rate: float = 1e-4
    batch_size: int = 8
    ft_lr_ratio: float = 0.1
    label_scale: LabelScale = "given"
    exp_id: int = 0
    seed: int = OptimiserConfig.seed

    def options(self) -> dict[str, Any]:
        """Return the options that differ from the base run's.

        >>> Run(architecture="resnet50", batch_size=4).options()
        {'architecture': 'resnet50', 'batch_size': 4}
        """
        return {f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name) != f.default}

    def __str__(self) -> str:
        return ", ".join(f"{name} {value}" for name, value in self.options().items()) or "the base run"


@dataclass(frozen=True, kw_only=True)
class Scale:
    """Databases, backbones and recipe of the items; the defaults are the paper's.

    Attributes:
        training_set: name of the database that all runs but those of `ttest` train and test on.
        other_set: name of the database that the models are also tested on.
        other_part: which part of it, in words.
        repeated_set: name of the database that `ttest` trains and tests on, in repeated random splits.
        base: backbone of the base run.
        sweep: backbone of the sweeps over learning rate, batch size and backbone learning rate (fig5, tabA1).
        backbones: backbones that are compared (fig6, tab1).
        plain: backbones without skip connections (tabA2), or what was asked for in their place.
        repeated: backbone of the repeated splits (ttest).
        splits: number of those splits.
        seeds: seed of all runs, and those of the further runs of the items that repeat theirs (`losses`, `settings`).
        recipe: whether image size, epochs, seed and initial weights are the paper's.
    """

    training_set: str = "KonIQ-10k"
    other_set: str = "CLIVE"
    other_part: str = "all"
    repeated_set: str = "CLIVE"
    base: str = "resnext101_32x8d"
    sweep: str = "resnet50"
    backbones: tuple[str, ...] = ("resnet18", "resnet34", "resnet50", "resnext101_32x8d")
    plain: tuple[str, ...] = ("alexnet", "vgg16")
    repeated: str = "resnet18"
    splits: int = 10
    seeds: tuple[int, ...] = tuple(range(OptimiserConfig.seed, OptimiserConfig.seed + 3))
    recipe: bool = True

    @property
    def is_paper(self) -> bool:
        """Whether results may be compared with the published ones of the same run."""
        paper = Scale()
        databases = (self.training_set, self.other_set, self.other_part)
        return self.recipe and databases == (paper.training_set, paper.other_set, paper.other_part)

    @property
    def tested_on(self) -> tuple[str, str]:
        """The two sets of images that models are tested on, in words."""
        return f"the test set of {self.training_set}", f"{self.other_part} of {self.other_set}"

    def base_run(self, **options: Any) -> Run:
        """Return the base run with some options changed."""
        own: dict[str, Any] = {"dataset": self.training_set, "architecture": self.base, "seed": self.seeds[0]}
        return Run(**(own | options))

    def loss_runs(self, architecture: str, **options: Any) -> tuple[Run, ...]:
        """Return one run for each loss."""
        return tuple(self.base_run(architecture=architecture, loss_type=loss, **options) for loss in LOSSES)


PAPER = "Li et al., ACM MM 2020"
FIGURE_6 = "figure 6"
TABLE_2 = "table 2, as corrected by the authors"

_FIGURE_6 = {
    # database, metric: loss: value of each backbone, in the order of Scale().backbones
    ("KonIQ-10k", "PLCC"): {
        "mae": (0.880, 0.891, 0.893, 0.919),
        "mse": (0.869, 0.899, 0.905, 0.923),
        "norm-in-norm": (0.918, 0.926, 0.930, 0.947),
    },
    ("CLIVE", "SROCC"): {
        "mae": (0.712, 0.729, 0.746, 0.766),
        "mse": (0.734, 0.762, 0.776, 0.789),
        "norm-in-norm": (0.767, 0.787, 0.799, 0.834),
    },
}
_TABLE_2 = {
    # alpha: SROCC and PLCC on KonIQ-10k, SROCC and PLCC on CLIVE
    (1.0, 0.0): (0.937, 0.947, 0.834, 0.849),
    (1.0, 0.1): (0.937, 0.946, 0.834, 0.850),
    (1.0, 1.0): (0.937, 0.947, 0.836, 0.848),
    (0.0, 1.0): (0.937, 0.947, 0.831, 0.847),
}
_MARKS = {
    # figure 1 (marks of the authors' plotting script); loss, split: epoch by SROCC, PLCC, RMSE
    ("mae", "train"): (10, 9, 9),
    ("mae", "val"): (11, 11, 11),
    ("mae", "test"): (11, 11, 11),
    ("mse", "train"): (8, 8, 8),
    ("mse", "val"): (8, 8, 8),
    ("mse", "test"): (10, 10, 10),
}


def _published_figures() -> dict[tuple[Run, str, str], tuple[float, str]]:
    found: dict[tuple[Run, str, str], tuple[float, str]] = {}
    for (database, metric), by_loss in _FIGURE_6.items():
        for loss in LOSSES:
            for architecture, value in zip(Scale().backbones, by_loss[loss], strict=True):
                found[Run(architecture=architecture, loss_type=loss), database, metric] = value, FIGURE_6
    columns = list(itertools.product(("KonIQ-10k", "CLIVE"), MAIN_FIGURES))
    for alpha, values in _TABLE_2.items():
        for (database, metric), value in zip(columns, values, strict=True):
            key = Run(alpha=alpha), database, metric
            # where figure 6 and table 2 both print a number, they print the same
            found[key] = value, f"{FIGURE_6}; {TABLE_2}" if key in found else TABLE_2
    return found


PUBLISHED_FIGURES = _published_figures()
"""Published agreement by run, database and metric, and its place in the paper."""


@dataclass(frozen=True)
class Comparison:
    """A number computed from our runs or the authors' files, and the published one."""

    quantity: str
    computed: float
    published: float
    source: str
    """Place in the paper."""
    interval: Interval | None = None
    """Bootstrap interval of the computed value over the test images."""

    @property
    def difference(self) -> float:
        """Computed minus published."""
        return self.computed - self.published

    @property
    def inside(self) -> bool | None:
        """Whether the published value is in the interval; None where there is no interval."""
        return None if self.interval is None else self.published in self.interval

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "quantity": self.quantity,
            "computed": self.computed,
            "published": self.published,
            "difference": self.difference,
            "interval": [self.interval.low, self.interval.high] if self.interval else None,
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
            f"{one.interval.low:.4f}\N{NO-BREAK SPACE}..\N{NO-BREAK SPACE}{one.interval.high:.4f}"
            if one.interval
            else None,
            verdict[one.inside],
            one.source,
        ]
        for one in comparisons
    ]
    columns = ["Quantity", "Computed", "Published", "Difference", "95 % interval", "Published inside", "Source"]
    return Table(f"Computed and published numbers ({PAPER})", columns, rows)


def published_mark(loss: str, split: str, metric: str) -> int | None:
    """Return the epoch at which a loss first reaches Norm-in-Norm's first-epoch level, as marked in figure 1."""
    marks = _MARKS.get((loss, split))
    return None if marks is None else marks[PAPER_FIGURES.index(metric)]
