"""Style and output of every figure: print sizes, colours, embedded fonts, reproducible bytes."""

import io
from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, ParamSpec, TypeVar

from linearityiqa.extras import require
from linearityiqa.files import write_bytes

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.figure import Figure

Args = ParamSpec("Args")
Result = TypeVar("Result")

COLUMN_WIDTH = 3.33
"""Width in inches of one column of a two-column paper."""
PAGE_WIDTH = 7.0
"""Width in inches of both columns."""
SCREEN_DPI = 220
"""Resolution of the PNG files."""


class SeriesStyle(NamedTuple):
    """Colour, marker and dashes that tell one series from the others."""

    colour: str
    dashes: str | tuple[int, tuple[float, ...]]
    marker: str
    hatch: str


SERIES_STYLES = (
    SeriesStyle("#0072B2", "-", "o", ""),
    SeriesStyle("#D55E00", (0, (5, 1.5)), "s", "////"),
    SeriesStyle("#009E73", (0, (1, 1)), "^", "...."),
    SeriesStyle("#CC79A7", (0, (5, 1.2, 1, 1.2)), "D", "\\\\\\\\"),
    SeriesStyle("#000000", (0, (3, 1, 1, 1, 1, 1)), "v", "xxxx"),
    SeriesStyle("#56B4E9", (0, (8, 2)), "P", "----"),
    SeriesStyle("#E69F00", (0, (2, 1)), "X", "++++"),
)
"""Colours of Okabe and Ito (2008), which people with any colour vision tell apart, each with its own dashes."""

LINE_WIDTH = 1.2
RC = {
    "font.family": "DejaVu Sans",  # travels with matplotlib: the same bytes on every machine
    "font.size": 8,
    "text.parse_math": False,  # a name with two dollar signs is no formula
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.linewidth": 0.4,
    "grid.color": "#DDDDDD",
    "lines.linewidth": LINE_WIDTH,
    "lines.markersize": 3.5,
    "hatch.linewidth": 0.5,
    "legend.frameon": False,
    "legend.handlelength": 2.8,
    "pdf.fonttype": 42,  # TrueType: publishers refuse matplotlib's default Type 3
    "svg.hashsalt": "linearityiqa",
    "figure.constrained_layout.use": True,
}


def series_style(index: int) -> SeriesStyle:
    """Return the style of the series number `index`; it repeats after the last."""
    return SERIES_STYLES[index % len(SERIES_STYLES)]


def styled(function: Callable[Args, Result]) -> Callable[Args, Result]:
    """Run a drawing function under this module's settings, whatever the user's matplotlibrc says."""

    @wraps(function)
    def wrapper(*args: Args.args, **kwargs: Args.kwargs) -> Result:
        matplotlib = require("matplotlib", "train")
        with matplotlib.rc_context():
            matplotlib.rcdefaults()
            matplotlib.rcParams.update(RC)
            return function(*args, **kwargs)

    return wrapper


def new_figure(width: float, height: float) -> "Figure":
    """Return an empty figure of the given size in inches, free of pyplot's global state."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def add_legend(figure: "Figure", handles: "Mapping[str, Artist]") -> None:
    """Put one legend above all panels: in one line where the labels fit into the figure's width, else wrapped."""
    widths = [0.55 + 0.057 * len(label) for label in handles]  # inches at the legend's font size
    room = figure.get_figwidth()
    columns = len(widths) if sum(widths) <= room else max(1, int(room / max(widths)))
    legend = figure.legend(list(handles.values()), list(handles), loc="outside upper center", ncols=columns)
    for line in legend.get_lines():
        line.set_linewidth(LINE_WIDTH)  # also of a curve that is drawn thin


@styled
def figure_bytes(figure: "Figure", file_format: str = "png", dpi: int = SCREEN_DPI) -> bytes:
    """Return the figure as a "png", "pdf" or "svg" file; equal figures give equal bytes (no dates, no versions)."""
    metadata: dict[str, dict[str, Any]] = {
        "png": {"Software": None},
        "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
        "svg": {"Date": None, "Creator": None},
    }
    stream = io.BytesIO()
    figure.savefig(stream, format=file_format, dpi=dpi, metadata=metadata[file_format], facecolor="white")
    return stream.getvalue()


def save_figure(figure: "Figure", folder: Path, name: str) -> tuple[Path, Path]:
    """Write `name`.pdf and `name`.png into `folder`, each atomically, and return their paths."""
    paths = folder / f"{name}.pdf", folder / f"{name}.png"
    for path in paths:
        write_bytes(path, figure_bytes(figure, path.suffix[1:]))
    return paths
