"""Table A2: backbones without skip connections."""

from linearityiqa.reporting import Cell, Table
from linearityiqa.reproduce.item import Drawn, Item, PredictionsNeed, Results
from linearityiqa.reproduce.items.common import both_databases, figure_rows, loss_runs, predictions_need
from linearityiqa.reproduce.plan import LOSS_NAMES, LOSSES, Scale

METRICS = ("SROCC", "PLCC")
PLAIN = Scale().plain
"""The paper's, which alone are known to have no skip connections."""


def needs(scale: Scale) -> tuple[PredictionsNeed, ...]:
    """Each backbone with each loss, tested on both databases."""
    return both_databases(scale, [run for name in scale.plain for run in loss_runs(scale, name, LOSSES)])


def draw(results: Results, scale: Scale) -> Drawn:
    """One row a backbone and loss; SROCC and PLCC on both databases."""
    databases = (scale.training_set, scale.other_set)
    rows: list[list[Cell]] = []
    for name in scale.plain:
        for run in loss_runs(scale, name, LOSSES):
            tested = [predictions_need(scale, run, database) for database in databases]
            figures = [results.figure(need, metric) for need in tested for metric in METRICS]
            rows.append([name, LOSS_NAMES[run.loss_type], *figures])
    columns = ["Backbone", "Loss", *(f"{database} {metric}" for database in databases for metric in METRICS)]
    as_asked = set(scale.plain) <= set(PLAIN)
    what = "Backbones without skip connections" if as_asked else "Other backbones"
    title = f"{what}: {', '.join(scale.tested_on)}"
    instead = f"Run with {', '.join(scale.plain)} in place of {' and '.join(PLAIN)}, as --backbones says."
    return Drawn(
        numbers={"agreement": figure_rows(results, needs(scale))},
        tables={"tabA2": Table(title, columns, rows, decimals=3)},
        sentences=() if as_asked else (instead,),
    )


TABA2 = Item(name="tabA2", title="Backbones without skip connections", needs=needs, draw=draw, partial=True)
