"""Table 2: the loss l, its variant l', and their sums."""

from linearityiqa.reporting import Cell, Table
from linearityiqa.reproduce.item import Drawn, Item, PredictionsNeed, Results
from linearityiqa.reproduce.items.common import both_databases, comparisons, figure_rows, predictions_need
from linearityiqa.reproduce.plan import Scale

VARIANTS = {(1.0, 0.0): "l", (1.0, 0.1): "l + 0.1 l'", (1.0, 1.0): "l + l'", (0.0, 1.0): "l'"}
"""Weights of l and l', and how the paper writes their sum."""
METRICS = ("SROCC", "PLCC")


def needs(scale: Scale) -> tuple[PredictionsNeed, ...]:
    """The base run with each pair of weights, tested on both databases."""
    return both_databases(scale, [scale.base_run(alpha=alpha) for alpha in VARIANTS])


def draw(results: Results, scale: Scale) -> Drawn:
    """One row a pair of weights; SROCC and PLCC on both databases."""
    databases = (scale.training_set, scale.other_set)
    rows: list[list[Cell]] = []
    for alpha, words in VARIANTS.items():
        tested = [predictions_need(scale, scale.base_run(alpha=alpha), database) for database in databases]
        rows.append([words, *(results.figure(need, metric) for need in tested for metric in METRICS)])
    columns = ["Loss", *(f"{database} {metric}" for database in databases for metric in METRICS)]
    title = f"Norm-in-Norm and its variant: {', '.join(scale.tested_on)}"
    wanted = needs(scale)
    return Drawn(
        numbers={"agreement": figure_rows(results, wanted)},
        tables={"tab2": Table(title, columns, rows, decimals=3)},
        comparisons=comparisons(results, scale, wanted, METRICS),
    )


TAB2 = Item(name="tab2", title="Norm-in-Norm and its variant", needs=needs, draw=draw, partial=True)
