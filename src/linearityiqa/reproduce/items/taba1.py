"""Table A1: learning rates under SGD and Adadelta."""

from linearityiqa.reporting import Cell, Table
from linearityiqa.reproduce.item import Drawn, Item, PredictionsNeed, Results
from linearityiqa.reproduce.items.common import figure_rows, loss_runs, predictions_need
from linearityiqa.reproduce.items.fig5 import SWEEPS
from linearityiqa.reproduce.plan import LOSS_NAMES, LOSSES, Scale

OPTIMIZERS = {"sgd": "SGD", "adadelta": "Adadelta"}
METRICS = ("SROCC", "PLCC")


def _row_needs(scale: Scale) -> dict[tuple[str, str], list[PredictionsNeed]]:
    option, values = SWEEPS["lr"]
    return {
        (optimizer, text): [
            predictions_need(scale, run, scale.training_set)
            for run in loss_runs(scale, scale.sweep, LOSSES, optimizer=optimizer, **{option: value})
        ]
        for optimizer in OPTIMIZERS
        for text, value in values.items()
    }


def needs(scale: Scale) -> tuple[PredictionsNeed, ...]:
    """Every optimizer, learning rate and loss, tested on the training database."""
    return tuple(need for row in _row_needs(scale).values() for need in row)


def draw(results: Results, scale: Scale) -> Drawn:
    """One row an optimizer and learning rate; SROCC and PLCC of each loss."""
    rows: list[list[Cell]] = []
    for (optimizer, text), row in _row_needs(scale).items():
        rows.append([OPTIMIZERS[optimizer], text, *(results.figure(need, m) for need in row for m in METRICS)])
    columns = ["Optimizer", "Learning rate", *(f"{LOSS_NAMES[loss]} {m}" for loss in LOSSES for m in METRICS)]
    title = f"Learning rates under other optimizers: test set of {scale.training_set}, backbone {scale.sweep}"
    return Drawn(
        numbers={"agreement": figure_rows(results, needs(scale))},
        tables={"tabA1": Table(title, columns, rows, decimals=3)},
    )


TABA1 = Item(name="tabA1", title="Learning rates under SGD and Adadelta", needs=needs, draw=draw, partial=True)
