"""One table, written as Markdown, LaTeX, CSV or aligned text."""

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass

from linearityiqa.console import printable

Cell = str | int | float | None
MOST_WRITTEN_OUT = 1e9
"""Numbers from this size on are written with an exponent."""

_LATEX = str.maketrans(
    {
        "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
        "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "\\": r"\textbackslash{}",
        "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", '"': r"\textquotedbl{}", "\n": " ",
        "–": "--", "±": r"$\pm$", "−": "$-$", "×": r"$\times$",
    }
)  # fmt: skip
_MARKDOWN = str.maketrans(
    {"|": r"\|", "\n": " ", "*": r"\*", "_": r"\_", "`": r"\`", "<": "&lt;", "&": "&amp;", "[": r"\[", "\\": r"\\"}
)


@dataclass(frozen=True)
class Table:
    """Rows under named columns.

    The title says in one line what the table shows; None is an empty cell; fractional numbers have `decimals` digits
    after the point (CSV keeps all of them).

    >>> print(Table("Agreement", ["loss", "SROCC"], [["mae", 0.9], ["norm-in-norm", 0.93712]]).to_text())
    Agreement
    <BLANKLINE>
    loss           SROCC
    ------------  ------
    mae           0.9000
    norm-in-norm  0.9371
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    decimals: int = 4

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(f"table {self.title!r}: a row of {len(row)} cells under {len(self.columns)} columns")

    def text_rows(self) -> list[list[str]]:
        """Return every cell as a reader sees it."""
        return [[format_cell(cell, self.decimals) for cell in row] for row in self.rows]

    def numeric_columns(self) -> list[bool]:
        """Return of each column whether its cells are numbers (or empty), which are aligned to the right."""
        columns = zip(*self.rows, strict=True) if self.rows else [[""]] * len(self.columns)
        return [not any(isinstance(cell, str) for cell in column) for column in columns]

    def to_text(self) -> str:
        """Return aligned columns for a terminal, which no cell controls."""
        cells = [[printable(text) for text in row] for row in (self.columns, *self.text_rows())]
        widths = [max(len(row[column]) for row in cells) for column in range(len(self.columns))]
        right = self.numeric_columns()
        lines = [
            "  ".join(
                text.rjust(width) if number else text.ljust(width)
                for text, width, number in zip(row, widths, right, strict=True)
            ).rstrip()
            for row in cells
        ]
        return "\n".join([printable(self.title), "", lines[0], "  ".join("-" * width for width in widths), *lines[1:]])

    def to_markdown(self) -> str:
        """Return a table of GitHub's Markdown under a bold title."""
        rules = ["---:" if number else "---" for number in self.numeric_columns()]
        rows = [[text.translate(_MARKDOWN) for text in row] for row in (self.columns, *self.text_rows())]
        lines = ["| " + " | ".join(row) + " |" for row in (rows[0], rules, *rows[1:])]
        return "\n".join([f"**{self.title.translate(_MARKDOWN)}**", "", *lines, ""])

    def to_latex(self) -> str:
        r"""Return a `table` environment with the rules of the package booktabs (``\usepackage{booktabs}``)."""
        alignment = "".join("r" if number else "l" for number in self.numeric_columns())
        rows = [
            " & ".join(text.translate(_LATEX) for text in row) + r" \\" for row in (self.columns, *self.text_rows())
        ]
        begin = [r"\begin{table}", r"\centering", rf"\caption{{{self.title.translate(_LATEX)}}}"]
        body = [rf"\begin{{tabular}}{{{alignment}}}", r"\toprule", rows[0], r"\midrule", *rows[1:], r"\bottomrule"]
        return "\n".join([*begin, *body, r"\end{tabular}", r"\end{table}", ""])

    def to_csv(self) -> str:
        """Return comma-separated values with all digits, for spreadsheets: no text is taken for a formula."""
        stream = io.StringIO()
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerows([_for_spreadsheet(cell) for cell in row] for row in (self.columns, *self.rows))
        return stream.getvalue()


def _for_spreadsheet(cell: Cell) -> Cell:
    """Escape what is not printable, and put an apostrophe before text that a spreadsheet would compute."""
    if not isinstance(cell, str):
        return cell
    text = printable(cell)
    return f"'{text}" if text.lstrip().startswith(("=", "+", "-", "@")) else text


def format_cell(cell: Cell, decimals: int = 4) -> str:
    """Return a cell as text.

    >>> [format_cell(cell) for cell in ("a", 3, 0.5, float("nan"), None)]
    ['a', '3', '0.5000', 'nan', '–']
    >>> format_cell(1e300)
    '1.0000e+300'
    """
    if cell is None:
        return "–"
    if isinstance(cell, float):
        form = "f" if abs(cell) < MOST_WRITTEN_OUT else "e"
        return f"{cell:.{decimals}{form}}" if math.isfinite(cell) else str(cell)
    return str(cell)
