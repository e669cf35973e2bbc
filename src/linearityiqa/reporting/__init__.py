"""Figures, tables and the HTML report: pure functions of numbers.

Importing this package needs neither torch nor matplotlib; drawing a figure needs the extra `train`.
"""

from linearityiqa.reporting.charts import BarPanel, BarSeries, Line, Panel, bar_chart, convergence, line_grid
from linearityiqa.reporting.html import HtmlReport, Thumbnail
from linearityiqa.reporting.scatter import Cloud, scatter_grid
from linearityiqa.reporting.style import COLUMN_WIDTH, PAGE_WIDTH, figure_bytes, save_figure
from linearityiqa.reporting.tables import Cell, Table, format_cell

__all__ = [
    "COLUMN_WIDTH",
    "PAGE_WIDTH",
    "BarPanel",
    "BarSeries",
    "Cell",
    "Cloud",
    "HtmlReport",
    "Line",
    "Panel",
    "Table",
    "Thumbnail",
    "bar_chart",
    "convergence",
    "figure_bytes",
    "format_cell",
    "line_grid",
    "save_figure",
    "scatter_grid",
]
