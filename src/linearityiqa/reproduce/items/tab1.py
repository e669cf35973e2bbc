"""Table 1: the exponents p and q of Norm-in-Norm."""

from collections.abc import Iterator

from linearityiqa.reporting import Cell, Table
from linearityiqa.reproduce.item import Drawn, Item, PredictionsNeed, Results
from linearityiqa.reproduce.items.common import figure_rows, predictions_need
from linearityiqa.reproduce.plan import Scale

EXPONENTS = ((1.0, 1.0), (1.0, 2.0), (2.0, 1.0), (2.0, 2.0))


def _row_needs(scale: Scale) -> Iterator[tuple[str, float, float, PredictionsNeed]]:
    for name in scale.backbones:
        for p, q in EXPONENTS:
            yield name, p, q, predictions_need(scale, scale.base_run(architecture=name, p=p, q=q), scale.training_set)


def needs(scale: Scale) -> tuple[PredictionsNeed, ...]:
    """Every backbone with every pair of exponents, tested on the training database."""
    return tuple(need for *_, need in _row_needs(scale))


def draw(results: Results, scale: Scale) -> Drawn:
    """One row a backbone and pair of exponents; SROCC and PLCC."""
    rows: list[list[Cell]] = [
        [name, f"{p:g}", f"{q:g}", results.figure(need, "SROCC"), results.figure(need, "PLCC")]
        for name, p, q, need in _row_needs(scale)
    ]
    title = f"Norm-in-Norm by exponents p and q, test set of {scale.training_set}"
    table = Table(title, ["Backbone", "p", "q", "SROCC", "PLCC"], rows, decimals=3)
    return Drawn(numbers={"agreement": figure_rows(results, needs(scale))}, tables={"tab1": table})


TAB1 = Item(name="tab1", title="The exponents p and q of Norm-in-Norm", needs=needs, draw=draw, partial=True)
