"""The published numbers that computed ones are compared with, each with its source.

The paper: Li, Jiang, Jiang, "Norm-in-Norm Loss with Faster Convergence and Better Performance for Image Quality
Assessment", ACM Multimedia 2020, doi 10.1145/3394171.3413804.
"""

from collections.abc import Iterator
from typing import NamedTuple

from linearityiqa.reproduce.plan import LOSSES, Run, Scale

PAPER = "Li et al., ACM MM 2020"
FIGURE_1 = f"{PAPER}, figure 1 (marks of the authors' plotting script)"
FIGURE_6 = f"{PAPER}, figure 6"
TABLE_2 = f"{PAPER}, table 2, as corrected by the authors"


class PublishedFigure(NamedTuple):
    """A published agreement with MOS: of which run, on which database, by which metric."""

    run: Run
    database: str
    metric: str
    value: float
    source: str


class PublishedMark(NamedTuple):
    """The epoch at which a loss first reaches Norm-in-Norm's first-epoch level, as the authors marked it."""

    loss: str
    split: str
    metric: str
    epoch: int
    source: str


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
    # loss, split: epoch by SROCC, PLCC, RMSE
    ("mae", "train"): (10, 9, 9),
    ("mae", "val"): (11, 11, 11),
    ("mae", "test"): (11, 11, 11),
    ("mse", "train"): (8, 8, 8),
    ("mse", "val"): (8, 8, 8),
    ("mse", "test"): (10, 10, 10),
}


def _figures() -> Iterator[PublishedFigure]:
    for (database, metric), by_loss in _FIGURE_6.items():
        for loss in LOSSES:
            for architecture, value in zip(Scale().backbones, by_loss[loss], strict=True):
                run = Run(architecture=architecture, loss_type=loss)
                yield PublishedFigure(run, database, metric, value, FIGURE_6)
    columns = [(database, metric) for database in ("KonIQ-10k", "CLIVE") for metric in ("SROCC", "PLCC")]
    for alpha, values in _TABLE_2.items():
        for (database, metric), value in zip(columns, values, strict=True):
            yield PublishedFigure(Run(alpha=alpha), database, metric, value, TABLE_2)


PUBLISHED_FIGURES: tuple[PublishedFigure, ...] = tuple(_figures())
PUBLISHED_MARKS: tuple[PublishedMark, ...] = tuple(
    PublishedMark(loss, split, metric, epoch, FIGURE_1)
    for (loss, split), epochs in _MARKS.items()
    for metric, epoch in zip(("SROCC", "PLCC", "RMSE"), epochs, strict=True)
)


def published_figure(run: Run, database: str, metric: str) -> PublishedFigure | None:
    """The published agreement of a run on a database, or None where there is none at hand.

    >>> published_figure(Run(architecture="resnet18"), "CLIVE", "SROCC").value
    0.767
    """
    found = [one for one in PUBLISHED_FIGURES if one[:3] == (run, database, metric)]
    if not found:
        return None
    # where figure 6 and table 2 both print a number, they print the same
    return found[0]._replace(source="; ".join(one.source for one in found))


def published_mark(loss: str, split: str, metric: str) -> PublishedMark | None:
    """The authors' mark of figure 1, or None where they made none."""
    wanted = (loss, split, metric)
    return next((one for one in PUBLISHED_MARKS if one[:3] == wanted), None)
