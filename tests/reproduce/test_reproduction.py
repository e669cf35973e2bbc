"""Oracles: the files' own formats, and Python's JSON reader in its strict form."""

import csv
import json

import pytest

from linearityiqa.reproduce.item import draw_items
from linearityiqa.reproduce.reproduction import save_drawn, write_report
from linearityiqa.reproduce.setup import ITEMS


@pytest.fixture
def two(source, small):
    drawn, _ = draw_items([ITEMS["figA2"], ITEMS["tab2"]], source, small)
    return drawn


def test_an_item_is_written_in_every_format(two, tmp_path):
    written = [path.name for item, one in two.items() for path in save_drawn(item.name, one, tmp_path / "out")]
    assert written == ["figA2.pdf", "figA2.png", "figA2.json", "tab2.md", "tab2.tex", "tab2.csv", "tab2.json"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(written)
    rows = list(csv.reader((tmp_path / "out/tab2.csv").open(newline="")))
    numbers = json.loads((tmp_path / "out/tab2.json").read_text(), parse_constant=pytest.fail)
    assert float(rows[1][1]) == numbers["agreement"][0]["SROCC"]


def test_the_report_holds_figures_tables_failures_and_commands(two, tmp_path):
    write_report(
        tmp_path / "report.html",
        two,
        failures={ITEMS["fig4"]: "csv/MSE_PLCC.csv is missing."},
        environment={"device": "cpu", "seed": 19920517},
        commands=["python main.py --resize"],
    )
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert page.count("<img ") == 1
    assert page.count("<table>") == 1
    for text in ("csv/MSE_PLCC.csv is missing.", "19920517", "python main.py --resize", "tab2: Norm-in-Norm"):
        assert text in page
