"""The paper's figures and tables: the runs as data, the results from any source, the drawing as pure functions."""

from linearityiqa.reproduce.item import (
    BhatNeed,
    CurveNeed,
    Drawn,
    Item,
    PredictionsNeed,
    Results,
    Source,
    draw_item,
    draw_items,
    gather,
)
from linearityiqa.reproduce.items import ITEMS
from linearityiqa.reproduce.layout import AuthorsLayout, export
from linearityiqa.reproduce.outputs import save_drawn, write_report
from linearityiqa.reproduce.plan import Run, Scale
from linearityiqa.reproduce.results import BhatLog, Curve, PredictionsSet

__all__ = [
    "ITEMS",
    "AuthorsLayout",
    "BhatLog",
    "BhatNeed",
    "Curve",
    "CurveNeed",
    "Drawn",
    "Item",
    "PredictionsNeed",
    "PredictionsSet",
    "Results",
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
