"""Oracles: Python's csv reader, and what each format prescribes."""

import csv
import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linearityiqa.reporting import Table

TABLE = Table("Agreement, 95 %", ["loss_type", "SROCC", "n"], [["mae", 0.87654321, 10], ["a|b & c", None, 7]])


def test_csv_keeps_every_digit():
    rows = list(csv.reader(io.StringIO(TABLE.to_csv())))
    assert rows == [["loss_type", "SROCC", "n"], ["mae", "0.87654321", "10"], ["a|b & c", "", "7"]]


@given(st.lists(st.tuples(st.text(st.characters(exclude_categories=["C", "Zl", "Zp"])), st.floats()), min_size=1))
def test_csv_reads_back_what_was_written(rows):
    read = list(csv.reader(io.StringIO(Table("", ["name", "value"], rows).to_csv())))[1:]
    assert [name.removeprefix("'") for name, _ in read] == [name.removeprefix("'") for name, _ in rows]
    assert [repr(float(value)) for _, value in read] == [repr(value) for _, value in rows]


def test_no_text_is_a_formula_in_a_spreadsheet_and_numbers_stay_numbers():
    """Oracle: OWASP's list of the characters that begin a formula."""
    table = Table(
        "",
        ["method", "-SROCC"],
        [[f"{begin}cmd|' /C calc'!A0", -0.5] for begin in ("=", "+", "-", "@", "\t", "\r", " =")],
    )
    header, *rows = csv.reader(io.StringIO(table.to_csv(), newline=""), strict=True)
    assert header == ["method", "'-SROCC"]
    assert [text[:2] for text, _ in rows] == ["'=", "'+", "'-", "'@", "\\t", "\\r", "' "]
    assert {number for _, number in rows} == {"-0.5"}


def test_text_on_a_terminal_is_never_a_command_to_it():
    text = Table("a\x1b[31m", ["b\x07"], [["c\nforged: row"]]).to_text()
    assert text.splitlines() == ["a\\x1b[31m", "", "b\\x07", "-" * 14, "c\\nforged: row"]


def test_markdown_escapes_and_aligns():
    assert TABLE.to_markdown().splitlines() == [
        "**Agreement, 95 %**",
        "",
        "| loss\\_type | SROCC | n |",
        "| --- | ---: | ---: |",
        "| mae | 0.8765 | 10 |",
        "| a\\|b &amp; c | – | 7 |",
    ]


def test_latex_escapes_and_has_booktabs_rules():
    latex = TABLE.to_latex()
    assert re.findall(r"\\(\w+rule)", latex) == ["toprule", "midrule", "bottomrule"]
    assert r"\begin{tabular}{lrr}" in latex
    assert r"\caption{Agreement, 95 \%}" in latex
    assert r"loss\_type & SROCC & n \\" in latex
    assert r"a\textbar{}b \& c & -- & 7 \\" in latex


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_latex_leaves_no_special_character_bare(text):
    table = Table("", ["a"], [[text]])
    cell = table.to_latex().split("\\midrule\n")[1].split(" \\\\\n\\bottomrule")[0]
    assert not re.search(r"(?<!\\)[&%#_]", cell)
    assert not re.search(r"[\^~<>|\"]", cell)
    assert "\n" not in cell.strip("\r")


def test_text_columns_line_up():
    lines = Table("t", ["name", "value"], [["a", 1.0], ["longer", 12.5]], decimals=1).to_text().splitlines()
    assert lines[2:] == ["name    value", "------  -----", "a         1.0", "longer   12.5"]


def test_a_row_of_another_length_is_refused():
    with pytest.raises(ValueError, match="a row of 1 cells under 2 columns"):
        Table("t", ["a", "b"], [["x"]])
