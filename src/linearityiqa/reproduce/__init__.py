"""The paper's figures and tables: the runs as data, the results from any source, the drawing as pure functions."""

from linearityiqa.reproduce.authors_layout import AuthorsLayout, export
from linearityiqa.reproduce.item import (
    BhatNeed,
    CurveNeed,
    Drawn,
    Gathered,
    Item,
    PredictionsNeed,
    Source,
    draw_item,
    draw_items,
    gather,
)
from linearityiqa.reproduce.items import ITEMS
from linearityiqa.reproduce.paper import Run, Scale
from linearityiqa.reproduce.reproduction import save_drawn, write_report
from linearityiqa.reproduce.run_data import BhatLog, Curve, PredictionsSet

__all__ = [
    "ITEMS",
    "AuthorsLayout",
    "BhatLog",
    "BhatNeed",
    "Curve",
    "CurveNeed",
    "Drawn",
    "Gathered",
    "Item",
    "PredictionsNeed",
    "PredictionsSet",
    "Run",
    "Scale",
    "Source",
    "draw_item",
    "draw_items",
    "export",
    "gather",
    "save_drawn",
    "write_report",
]
